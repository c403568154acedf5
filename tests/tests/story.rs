//! The gem's own story, on the blog: each step over HTTP, and what Mixpanel hears of it.

use mengpaneel_tests::{DEADLINE, Page, Visitor, blog, blog_of, counted, names, settle};
use serde_json::json;

const ADA: [(&str, &str); 3] = [
    ("email", "ada@blog.example"),
    ("first_name", "Ada"),
    ("last_name", "Lovelace"),
];
const BOB: [(&str, &str); 3] = [
    ("email", "bob@blog.example"),
    ("first_name", "Bob"),
    ("last_name", "Builder"),
];
const POST: [(&str, &str); 2] = [("title", "Hello"), ("body", "World")];

/// Says in order which of `expected` the page runs, leaving the others out.
fn in_order(page: &Page, expected: &[&str]) -> Vec<String> {
    page.said()
        .into_iter()
        .filter(|said| expected.contains(&said.as_str()))
        .collect()
}

#[tokio::test]
async fn sign_up_by_form_is_told_by_the_next_page_in_its_order() {
    let blog = blog();
    let mut ada = Visitor::browser(blog.url());
    let answer = ada.post("/users", &ADA).await_page().await;
    assert_eq!((answer.status, answer.location()), (303, "/"));

    let home = ada.get("/").await_page().await;
    assert_eq!(
        home.said(),
        [
            "identify 1",
            "people.set",
            "track Sign Up",
            "track View Home"
        ]
    );
    for (name, value) in [
        ("ID", json!(1)),
        ("Email", json!("ada@blog.example")),
        ("First name", json!("Ada")),
    ] {
        assert_eq!(home.property("Sign Up", name), Some(value), "{name}");
    }
    let again = ada.get("/").await_page().await;
    assert_eq!(
        again.said(),
        ["identify 1", "people.set", "track View Home"]
    );
    assert_eq!(
        names(&settle(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn sign_in_returns_to_where_one_wanted_and_is_told_there() {
    let blog = blog();
    Visitor::browser(blog.url())
        .post("/users", &ADA)
        .await_page()
        .await;
    let mut ada = Visitor::browser(blog.url());
    let wanted = [
        ("email", "ada@blog.example"),
        ("return_to", "/sign_up?from=here"),
    ];
    let answer = ada.post("/session", &wanted).await_page().await;
    assert_eq!(answer.location(), "/sign_up?from=here");
    let page = ada.get("/sign_up?from=here").await_page().await;
    assert_eq!(page.said(), ["identify 1", "people.set", "track Sign In"]);
}

#[tokio::test]
async fn sign_out_with_a_purged_session_is_told_by_the_next_page_as_the_users_own() {
    let blog = blog();
    let mut ada = Visitor::browser(blog.url());
    ada.post("/users", &ADA).await_page().await;
    ada.get("/").await_page().await;
    ada.post("/session/delete", &[]).await_page().await;
    let home = ada.get("/").await_page().await;
    assert_eq!(home.said(), ["track Sign Out", "track View Home"]);
    assert_eq!(home.property("Sign Out", "$user_id"), Some(json!("1")));
    assert_eq!(home.property("View Home", "$user_id"), None);
    assert_eq!(ada.get("/").await_page().await.said(), ["track View Home"]);
}

#[tokio::test]
async fn a_post_is_told_by_page_by_header_or_by_the_server() {
    let blog = blog();
    let mut ada = Visitor::browser(blog.url());
    ada.post("/users", &ADA).await_page().await;
    ada.get("/").await_page().await;

    ada.post("/posts", &POST).await_page().await;
    let shown = ada.get("/posts/1").await_page().await;
    assert_eq!(
        shown.said(),
        [
            "identify 1",
            "people.set",
            "track Create Blog Post",
            "track View Post"
        ]
    );
    assert_eq!(
        shown.property("Create Blog Post", "Title"),
        Some(json!("Hello"))
    );

    let capable = ada
        .post_json("/posts", &json!({"title": "By script", "body": ""}))
        .capable()
        .await_page()
        .await;
    assert_eq!(capable.status, 201);
    assert_eq!(capable.said(), ["track Create Blog Post"]);
    assert_eq!(capable.header("cache-control"), Some("no-store"));

    let plain = ada
        .post_json("/posts", &json!({"title": "By program", "body": ""}))
        .await_page()
        .await;
    assert_eq!((plain.status, plain.said().len()), (201, 0));
    let arrived = settle(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(names(&arrived), ["Create Blog Post"]);
    assert_eq!(arrived[0].property("Title"), "By program");
    assert_eq!(arrived[0].distinct_id(), Some("1"));
}

#[tokio::test]
async fn sign_up_by_script_brings_alias_and_setup_along() {
    let blog = blog_of(::blog::Identity::Legacy);
    let mut ada = Visitor::browser(blog.url());
    let sign_up = ada
        .post("/users", &ADA)
        .header("accept", "application/json")
        .capable();
    let answer = sign_up.await_page().await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        in_order(&answer, &["identify 1", "track Sign Up"]),
        ["identify 1", "track Sign Up"]
    );
    let name = answer.header("x-mengpaneel-setup").map(str::to_owned);
    assert!(
        name.as_deref()
            .is_some_and(|name| name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit()))
    );
}

/// Reads the first post as a script does that has run the setup of that name.
async fn read(visitor: &mut Visitor, setup: &str) -> Page {
    let ask = visitor
        .ask(reqwest::Method::GET, "/posts/1")
        .header("accept", "application/json")
        .capable();
    ask.header("x-mengpaneel-setup", setup).await_page().await
}

#[tokio::test]
async fn a_client_that_has_the_setup_does_not_get_it_again() {
    let blog = blog();
    let mut ada = Visitor::browser(blog.url());
    ada.post("/users", &ADA).await_page().await;
    let page = ada.get("/").await_page().await;
    let (_, rest) = page.body.split_once("own.ran(\"").unwrap();
    let known = rest.split('"').next().unwrap().to_owned();

    ada.post_json("/posts", &json!({"title": "Hello"}))
        .capable()
        .await_page()
        .await;
    let same = read(&mut ada, &known).await;
    assert_eq!(same.said(), ["track View Post"]);
    let other = read(&mut ada, "0123456789abcdef").await;
    assert_eq!(
        other.said(),
        ["identify 1", "people.set", "track View Post"]
    );
    assert_eq!(other.header("x-mengpaneel-setup"), Some(known.as_str()));
}

#[tokio::test]
async fn a_payment_is_the_payers_and_says_nothing_of_the_provider() {
    let blog = blog();
    Visitor::browser(blog.url())
        .post("/users", &ADA)
        .await_page()
        .await;
    let mut provider = Visitor::machine(blog.url()).with("authorization", "Basic cGF5bWVudHM6ZnR3");
    let answer = provider
        .post(
            "/payments/notify",
            &[("status", "payment_complete"), ("payment_id", "1")],
        )
        .await_page()
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "[accepted]"));
    let failed = [("status", "payment_failed"), ("payment_id", "1")];
    provider
        .post("/payments/notify", &failed)
        .await_page()
        .await;

    let arrived = settle(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(names(&arrived), ["Complete Payment"]);
    let payment = &arrived[0];
    assert_eq!(payment.distinct_id(), Some("1"));
    assert_eq!(
        (payment.property("Payment ID"), payment.property("Amount")),
        (&json!(1), &json!(12.5))
    );
    for name in ["ip", "$browser", "$os", "$current_url"] {
        assert!(payment.property(name).is_null(), "{name}");
    }
}

#[tokio::test]
async fn scope_now_delivers_a_job_when_it_ends() {
    let blog = blog();
    let renewal = async {
        mengpaneel::setup(|mixpanel| mixpanel.identify(7));
        mengpaneel::track("Renew Subscription", json!({"Plan": "Pro"}));
        mengpaneel::people().increment("Renewals", 1);
    };
    let ((), delivered) = blog.mengpaneel().scope_now(renewal).await;
    delivered.unwrap();
    let event = blog
        .stand_in()
        .wait_for_event(DEADLINE, "Renew Subscription")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("7"));
    let profile = blog.stand_in().profile("7").unwrap();
    assert_eq!(profile["Renewals"], json!(1));
}

#[tokio::test]
async fn scope_now_returns_the_calls_that_it_cannot_deliver() {
    let blog = blog();
    blog.stand_in().fail_with(503);
    let job = async { mengpaneel::track("Renew Subscription", ()) };
    let ((), delivered) = blog.mengpaneel().scope_now(job).await;
    assert_eq!(
        delivered.unwrap_err().failures()[0].calls[0].str_arg(0),
        Some("Renew Subscription")
    );
}

#[tokio::test]
async fn what_is_refused_tracks_nothing() {
    let blog = blog();
    let mut visitor = Visitor::browser(blog.url());
    let bad = visitor
        .post("/users", &[("email", "")])
        .header("accept", "application/json")
        .await_page()
        .await;
    assert_eq!(bad.status, 422);
    let unknown = visitor
        .post("/session", &[("email", "nobody@blog.example")])
        .header("accept", "application/json");
    assert_eq!(unknown.await_page().await.status, 401);
    let signed_out = visitor
        .post_json("/posts", &json!({"title": "x"}))
        .await_page()
        .await;
    assert_eq!(signed_out.status, 401);
    assert_eq!(
        names(&settle(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn sign_out_of_one_and_sign_in_of_another_before_any_page_are_each_ones_own() {
    let blog = blog();
    Visitor::browser(blog.url())
        .post("/users", &BOB)
        .await_page()
        .await;
    let mut browser = Visitor::browser(blog.url());
    browser.post("/users", &ADA).await_page().await;
    browser.get("/").await_page().await;

    browser.post("/session/delete", &[]).await_page().await;
    browser
        .post("/session", &[("email", "bob@blog.example")])
        .await_page()
        .await;
    let page = browser.get("/").await_page().await;

    // Ada's event is not for Bob's page: the server sends it.
    assert_eq!(
        page.said(),
        [
            "identify 1",
            "people.set",
            "track Sign In",
            "track View Home"
        ]
    );
    assert_eq!(page.property("Sign In", "$user_id"), Some(json!("1")));
    let arrived = settle(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(names(&arrived), ["Sign Out"]);
    assert_eq!(arrived[0].distinct_id(), Some("2"));
}

#[tokio::test]
async fn an_attachment_and_a_streamed_page_go_by_the_server() {
    let blog = blog();
    let mut visitor = Visitor::browser(blog.url());
    let file = visitor.get("/posts.csv").await_page().await;
    assert!(
        file.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    let feed = visitor.get("/feed").await_page().await;
    assert!(!feed.body.contains("mixpanel"));
    let arrived = settle(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(
        counted(&[&file, &feed], &arrived),
        ["Export Posts", "View Feed"]
    );
    assert_eq!(names(&arrived), ["Export Posts", "View Feed"]);
}
