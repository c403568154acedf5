//! Attribution of events that the server delivers: identity, opt-out and bots.

use mengpaneel_tests::{TestClient, event_names, flush_and_collect, start_blog};
use serde_json::json;

/// Cookie in which mixpanel-js stores an anonymous visitor.
const COOKIE: &str = "%7B%22distinct_id%22%3A%22%24device%3Ad1%22%2C%22%24device_id%22%3A%22d1%22%2C%22Plan%22%3A%22Pro%22%7D";

#[tokio::test]
async fn server_event_has_identity_of_mixpanel_cookie() {
    let blog = start_blog();
    let mut visitor = TestClient::browser(blog.url());
    visitor
        .cookies
        .insert("mp_demo_mixpanel".into(), COOKIE.into());
    let response = visitor
        .request(reqwest::Method::GET, "/posts.csv")
        .send()
        .await;
    assert_eq!(response.status, 200);
    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    assert_eq!(event_names(&arrived), ["Export Posts"]);
    let event = &arrived[0];
    assert_eq!(event.distinct_id(), Some("$device:d1"));
    assert_eq!(
        (event.property("$device_id"), event.property("Plan")),
        (&json!("d1"), &json!("Pro"))
    );
    assert_eq!(
        (event.property("$browser"), event.property("ip")),
        (&json!("Chrome"), &json!("127.0.0.1"))
    );
}

#[tokio::test]
async fn opted_out_visitor_is_not_tracked() {
    let blog = start_blog();
    let mut visitor = TestClient::browser(blog.url());
    visitor
        .cookies
        .insert("__mp_opt_in_out_demo".into(), "0".into());
    let home = visitor.get("/").send().await;
    assert!(home.calls().is_empty(), "{}", home.body);
    let mut dnt_visitor = TestClient::browser(blog.url()).with_header("dnt", "1");
    dnt_visitor
        .request(reqwest::Method::GET, "/posts.csv")
        .send()
        .await;
    assert_eq!(
        event_names(&flush_and_collect(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn bot_events_are_not_delivered() {
    let blog = start_blog();
    let mut bot = TestClient::machine(blog.url())
        .with_header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)");
    bot.request(reqwest::Method::GET, "/posts.csv")
        .header("user-agent", "Googlebot/2.1")
        .send()
        .await;
    assert_eq!(
        event_names(&flush_and_collect(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn blog_without_token_tracks_nothing() {
    let config = blog::Config {
        token: String::new(),
        workers: Some(1),
        ..blog::Config::default()
    };
    let disabled = blog::Blog::start(config).unwrap();
    let mut visitor = TestClient::browser(disabled.url());
    let response = visitor
        .post(
            "/users",
            &[("email", "ada@blog.example"), ("first_name", "Ada")],
        )
        .send()
        .await;
    assert_eq!(response.status, 303);
    let home = visitor.get("/").send().await;
    assert!(!home.body.contains("mixpanel") && home.header("cache-control").is_none());
    assert_eq!(disabled.stand_in().requests().len(), 0);
}

/// A non-ASCII byte in one cookie once hid all cookies of the request.
#[tokio::test]
async fn invalid_bytes_in_one_cookie_do_not_hide_others() {
    let blog = start_blog();
    let client = reqwest::Client::new();
    let send = async |cookies: Vec<u8>| {
        let cookies = reqwest::header::HeaderValue::from_bytes(&cookies).unwrap();
        let url = format!("{}/posts.csv", blog.url());
        client
            .get(url)
            .header("cookie", cookies)
            .header("user-agent", "Chrome")
            .send()
            .await
            .unwrap();
    };
    for city in [
        &b"city=M\xFCnchen; "[..],
        b"city=M\xC3\xBCnchen; ",
        b"city; =; \xFF; ",
    ] {
        send([city, b"__mp_opt_in_out_demo=0"].concat()).await;
        send([city, b"mp_demo_mixpanel=", COOKIE.as_bytes()].concat()).await;
    }
    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    let ids: Vec<_> = arrived.iter().map(|event| event.distinct_id()).collect();
    assert_eq!(ids, [Some("$device:d1"); 3]);
}
