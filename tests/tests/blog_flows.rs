//! Flows of the example blog over HTTP, as in the original gem: sign up, sign in, post, pay.

use mengpaneel_tests::{
    TIMEOUT, TestClient, TestResponse, counted_event_names, event_names, flush_and_collect,
    start_blog, start_blog_with_identity,
};
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

/// Returns the calls of the page that are in `expected`, in their order.
fn calls_among(page: &TestResponse, expected: &[&str]) -> Vec<String> {
    page.call_summary()
        .into_iter()
        .filter(|call| expected.contains(&call.as_str()))
        .collect()
}

#[tokio::test]
async fn sign_up_form_is_tracked_by_next_page() {
    let blog = start_blog();
    let mut ada = TestClient::browser(blog.url());
    let response = ada.post("/users", &ADA).send().await;
    assert_eq!((response.status, response.location()), (303, "/"));

    let home = ada.get("/").send().await;
    assert_eq!(
        home.call_summary(),
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
    let again = ada.get("/").send().await;
    assert_eq!(
        again.call_summary(),
        ["identify 1", "people.set", "track View Home"]
    );
    assert_eq!(
        event_names(&flush_and_collect(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn sign_in_is_tracked_by_page_it_returns_to() {
    let blog = start_blog();
    TestClient::browser(blog.url())
        .post("/users", &ADA)
        .send()
        .await;
    let mut ada = TestClient::browser(blog.url());
    let form = [
        ("email", "ada@blog.example"),
        ("return_to", "/sign_up?from=here"),
    ];
    let response = ada.post("/session", &form).send().await;
    assert_eq!(response.location(), "/sign_up?from=here");
    let page = ada.get("/sign_up?from=here").send().await;
    assert_eq!(
        page.call_summary(),
        ["identify 1", "people.set", "track Sign In"]
    );
}

#[tokio::test]
async fn sign_out_is_tracked_as_user_after_purged_session() {
    let blog = start_blog();
    let mut ada = TestClient::browser(blog.url());
    ada.post("/users", &ADA).send().await;
    ada.get("/").send().await;
    ada.post("/session/delete", &[]).send().await;
    let home = ada.get("/").send().await;
    assert_eq!(home.call_summary(), ["track Sign Out", "track View Home"]);
    assert_eq!(home.property("Sign Out", "$user_id"), Some(json!("1")));
    assert_eq!(home.property("View Home", "$user_id"), None);
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["track View Home"]
    );
}

#[tokio::test]
async fn new_post_is_tracked_by_page_header_or_server() {
    let blog = start_blog();
    let mut ada = TestClient::browser(blog.url());
    ada.post("/users", &ADA).send().await;
    ada.get("/").send().await;

    ada.post("/posts", &POST).send().await;
    let shown = ada.get("/posts/1").send().await;
    assert_eq!(
        shown.call_summary(),
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
        .send()
        .await;
    assert_eq!(capable.status, 201);
    assert_eq!(capable.call_summary(), ["track Create Blog Post"]);
    assert_eq!(capable.header("cache-control"), Some("no-store"));

    let without_script = ada
        .post_json("/posts", &json!({"title": "By program", "body": ""}))
        .send()
        .await;
    assert_eq!(
        (without_script.status, without_script.call_summary().len()),
        (201, 0)
    );
    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(event_names(&arrived), ["Create Blog Post"]);
    assert_eq!(arrived[0].property("Title"), "By program");
    assert_eq!(arrived[0].distinct_id(), Some("1"));
}

#[tokio::test]
async fn sign_up_by_script_receives_setup_in_header() {
    let blog = start_blog_with_identity(::blog::Identity::Legacy);
    let mut ada = TestClient::browser(blog.url());
    let sign_up = ada
        .post("/users", &ADA)
        .header("accept", "application/json")
        .capable();
    let response = sign_up.send().await;
    assert_eq!(response.status, 201);
    assert_eq!(
        calls_among(&response, &["identify 1", "track Sign Up"]),
        ["identify 1", "track Sign Up"]
    );
    let setup_id = response.header("x-mengpaneel-setup").map(str::to_owned);
    assert!(
        setup_id
            .as_deref()
            .is_some_and(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()))
    );
}

/// Requests the first post like a script that has run the setup of this ID.
async fn fetch_post(client: &mut TestClient, setup_id: &str) -> TestResponse {
    let request = client
        .request(reqwest::Method::GET, "/posts/1")
        .header("accept", "application/json")
        .capable();
    request.header("x-mengpaneel-setup", setup_id).send().await
}

#[tokio::test]
async fn known_setup_is_not_sent_again() {
    let blog = start_blog();
    let mut ada = TestClient::browser(blog.url());
    ada.post("/users", &ADA).send().await;
    let page = ada.get("/").send().await;
    let (_, rest) = page.body.split_once("own.ran(\"").unwrap();
    let known = rest.split('"').next().unwrap().to_owned();

    ada.post_json("/posts", &json!({"title": "Hello"}))
        .capable()
        .send()
        .await;
    let same = fetch_post(&mut ada, &known).await;
    assert_eq!(same.call_summary(), ["track View Post"]);
    let other = fetch_post(&mut ada, "0123456789abcdef").await;
    assert_eq!(
        other.call_summary(),
        ["identify 1", "people.set", "track View Post"]
    );
    assert_eq!(other.header("x-mengpaneel-setup"), Some(known.as_str()));
}

#[tokio::test]
async fn payment_belongs_to_payer_without_provider_data() {
    let blog = start_blog();
    TestClient::browser(blog.url())
        .post("/users", &ADA)
        .send()
        .await;
    let mut provider =
        TestClient::machine(blog.url()).with_header("authorization", "Basic cGF5bWVudHM6ZnR3");
    let response = provider
        .post(
            "/payments/notify",
            &[("status", "payment_complete"), ("payment_id", "1")],
        )
        .send()
        .await;
    assert_eq!(
        (response.status, response.body.as_str()),
        (200, "[accepted]")
    );
    let failed = [("status", "payment_failed"), ("payment_id", "1")];
    provider.post("/payments/notify", &failed).send().await;

    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(event_names(&arrived), ["Complete Payment"]);
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
async fn scope_now_delivers_calls_of_a_job() {
    let blog = start_blog();
    let renewal = async {
        mengpaneel::setup(|mixpanel| mixpanel.identify(7));
        mengpaneel::track("Renew Subscription", json!({"Plan": "Pro"}));
        mengpaneel::people().increment("Renewals", 1);
    };
    let ((), delivered) = blog.mengpaneel().scope_now(renewal).await;
    delivered.unwrap();
    let event = blog
        .stand_in()
        .wait_for_event(TIMEOUT, "Renew Subscription")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("7"));
    let profile = blog.stand_in().profile("7").unwrap();
    assert_eq!(profile["Renewals"], json!(1));
}

#[tokio::test]
async fn scope_now_returns_undeliverable_calls() {
    let blog = start_blog();
    blog.stand_in().fail_with(503);
    let job = async { mengpaneel::track("Renew Subscription", ()) };
    let ((), delivered) = blog.mengpaneel().scope_now(job).await;
    assert_eq!(
        delivered.unwrap_err().failures()[0].calls[0].str_arg(0),
        Some("Renew Subscription")
    );
}

#[tokio::test]
async fn failed_requests_track_nothing() {
    let blog = start_blog();
    let mut visitor = TestClient::browser(blog.url());
    let invalid = visitor
        .post("/users", &[("email", "")])
        .header("accept", "application/json")
        .send()
        .await;
    assert_eq!(invalid.status, 422);
    let unknown = visitor
        .post("/session", &[("email", "nobody@blog.example")])
        .header("accept", "application/json");
    assert_eq!(unknown.send().await.status, 401);
    let signed_out = visitor
        .post_json("/posts", &json!({"title": "x"}))
        .send()
        .await;
    assert_eq!(signed_out.status, 401);
    assert_eq!(
        event_names(&flush_and_collect(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn sign_out_and_sign_in_without_page_keep_their_users() {
    let blog = start_blog();
    TestClient::browser(blog.url())
        .post("/users", &BOB)
        .send()
        .await;
    let mut browser = TestClient::browser(blog.url());
    browser.post("/users", &ADA).send().await;
    browser.get("/").send().await;

    browser.post("/session/delete", &[]).send().await;
    browser
        .post("/session", &[("email", "bob@blog.example")])
        .send()
        .await;
    let page = browser.get("/").send().await;

    // The server delivers Ada's event, because the page is Bob's.
    assert_eq!(
        page.call_summary(),
        [
            "identify 1",
            "people.set",
            "track Sign In",
            "track View Home"
        ]
    );
    assert_eq!(page.property("Sign In", "$user_id"), Some(json!("1")));
    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(event_names(&arrived), ["Sign Out"]);
    assert_eq!(arrived[0].distinct_id(), Some("2"));
}

#[tokio::test]
async fn server_delivers_events_of_attachment_and_stream() {
    let blog = start_blog();
    let mut visitor = TestClient::browser(blog.url());
    let file = visitor.get("/posts.csv").send().await;
    assert!(
        file.header("content-disposition")
            .unwrap()
            .starts_with("attachment")
    );
    let feed = visitor.get("/feed").send().await;
    assert!(!feed.body.contains("mixpanel"));
    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(
        counted_event_names(&[&file, &feed], &arrived),
        ["Export Posts", "View Feed"]
    );
    assert_eq!(event_names(&arrived), ["Export Posts", "View Feed"]);
}
