//! Who the events belong to where the browser does not speak for itself.

use mengpaneel_tests::{TestClient, event_names, flush_and_collect, start_blog};
use serde_json::json;

/// mixpanel-js's cookie of an anonymous visitor.
const COOKIE: &str = "%7B%22distinct_id%22%3A%22%24device%3Ad1%22%2C%22%24device_id%22%3A%22d1%22%2C%22Plan%22%3A%22Pro%22%7D";

#[tokio::test]
async fn an_anonymous_visitors_json_request_is_the_cookies_own() {
    let blog = start_blog();
    let mut visitor = TestClient::browser(blog.url());
    visitor
        .cookies
        .insert("mp_demo_mixpanel".into(), COOKIE.into());
    let answer = visitor
        .request(reqwest::Method::GET, "/posts.csv")
        .send()
        .await;
    assert_eq!(answer.status, 200);
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
async fn visitor_who_opted_out_is_recorded_nowhere() {
    let blog = start_blog();
    let mut visitor = TestClient::browser(blog.url());
    visitor
        .cookies
        .insert("__mp_opt_in_out_demo".into(), "0".into());
    let home = visitor.get("/").send().await;
    assert!(home.calls().is_empty(), "{}", home.body);
    let mut quiet = TestClient::browser(blog.url()).with_header("dnt", "1");
    quiet
        .request(reqwest::Method::GET, "/posts.csv")
        .send()
        .await;
    assert_eq!(
        event_names(&flush_and_collect(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn a_spiders_views_are_not_counted() {
    let blog = start_blog();
    let mut spider = TestClient::machine(blog.url())
        .with_header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)");
    spider
        .request(reqwest::Method::GET, "/posts.csv")
        .header("user-agent", "Googlebot/2.1")
        .send()
        .await;
    assert_eq!(
        event_names(&flush_and_collect(blog.mengpaneel(), blog.stand_in()).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn without_a_token_the_blog_answers_as_if_mengpaneel_were_not_there() {
    let config = blog::Config {
        token: String::new(),
        workers: Some(1),
        ..blog::Config::default()
    };
    let off = blog::Blog::start(config).unwrap();
    let mut visitor = TestClient::browser(off.url());
    let answer = visitor
        .post(
            "/users",
            &[("email", "ada@blog.example"), ("first_name", "Ada")],
        )
        .send()
        .await;
    assert_eq!(answer.status, 303);
    let home = visitor.get("/").send().await;
    assert!(!home.body.contains("mixpanel") && home.header("cache-control").is_none());
    assert_eq!(off.stand_in().requests().len(), 0);
}

/// One byte of another cookie used to hide every cookie of the request.
#[tokio::test]
async fn bytes_in_other_cookies_hide_neither_opt_out_nor_identity() {
    let blog = start_blog();
    let client = reqwest::Client::new();
    let ask = async |cookies: Vec<u8>| {
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
        ask([city, b"__mp_opt_in_out_demo=0"].concat()).await;
        ask([city, b"mp_demo_mixpanel=", COOKIE.as_bytes()].concat()).await;
    }
    let arrived = flush_and_collect(blog.mengpaneel(), blog.stand_in()).await;
    let ids: Vec<_> = arrived.iter().map(|event| event.distinct_id()).collect();
    assert_eq!(ids, [Some("$device:d1"); 3]);
}
