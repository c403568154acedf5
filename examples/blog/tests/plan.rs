//! Tracking plan of the blog: an event that is renamed by accident fails this test.

mod common;

use blog::Blog;
use serde_json::Value;

#[test]
fn plan_lists_exactly_the_events_of_the_blog() {
    let plan = mengpaneel::plan();
    assert_eq!(
        plan.events(),
        [
            "Complete Payment",
            "Create Blog Post",
            "Export Posts",
            "Renew Subscription",
            "Sign In",
            "Sign Out",
            "Sign Up",
            "View Feed",
            "View Home",
            "View Post",
        ]
    );
    let created = plan
        .iter()
        .find(|annotation| annotation.event.as_deref() == Some("Create Blog Post"))
        .unwrap();
    assert_eq!(created.properties, ["Title"]);
    assert_eq!(created.routes[0].to_string(), "POST /posts");
}

#[actix_web::test]
async fn plan_is_served_in_every_format() {
    let blog = Blog::start(common::config()).unwrap();
    let get = async |path: &str| {
        reqwest::get(blog.url() + path)
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let table = get("/plan").await;
    assert!(
        table.contains("<table>") && table.contains("<th scope=\"col\">Route</th>"),
        "{table}"
    );
    assert!(
        table.contains("<code>POST /posts</code>") && table.contains("<strong>View Home</strong>"),
        "{table}"
    );
    assert!(get("/plan.md").await.starts_with("| Call |"));
    let json: Value = serde_json::from_str(&get("/plan.json").await).unwrap();
    assert!(
        json.as_array()
            .unwrap()
            .iter()
            .any(|annotation| annotation["event"] == "View Home")
    );
    let lexicon: Value = serde_json::from_str(&get("/plan/lexicon.json").await).unwrap();
    assert!(
        lexicon["entries"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["name"] == "View Home")
    );
}
