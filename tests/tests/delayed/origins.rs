//! Which redirects the browser comes back from, and which clients do.

use mengpaneel::ProxyHeaders;
use mengpaneel_tests::{TestApp, TestClient, TestResponse, event_names};

use crate::{routes, start_app};

async fn ask(
    ada: &mut TestClient,
    location: &str,
    status: u16,
    headers: &[(&str, &str)],
) -> TestResponse {
    let location: String = url::form_urlencoded::byte_serialize(location.as_bytes()).collect();
    let path = format!("/?who=42&track=Buy&status={status}&then={location}");
    headers
        .iter()
        .fold(ada.get(&path), |ask, (name, value)| ask.header(name, value))
        .send()
        .await
}

fn waits(page: &TestResponse) -> bool {
    page.header("set-cookie")
        .is_some_and(|cookie| cookie.starts_with("mengpaneel_delayed_calls."))
}

#[tokio::test]
async fn calls_wait_where_the_location_is_on_this_origin() {
    let app = start_app();
    let host = app.url.strip_prefix("http://").unwrap().to_owned();
    let here = [
        "/",
        "?x=1",
        "posts/1",
        "../up",
        &format!("http://{host}/x"),
        &format!("//{host}/"),
        "/#part",
    ];
    for location in here {
        let mut ada = TestClient::browser(&app.url);
        assert!(
            waits(&ask(&mut ada, location, 303, &[]).await),
            "{location}"
        );
    }
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn calls_do_not_wait_for_another_origin_or_where_there_is_no_location() {
    let app = start_app();
    let host = app.url.strip_prefix("http://").unwrap().to_owned();
    let name = host.split(':').next().unwrap();
    let there = [
        "https://pay.example/",
        "//pay.example/",
        "/\\pay.example/",
        &format!("http://{name}:1/"),
        &format!("http://{host}@pay.example/"),
        &format!("ftp://{host}/"),
        "mailto:ada@blog.example",
        "http://[broken/",
        "-",
    ];
    for location in there {
        let mut ada = TestClient::browser(&app.url);
        assert!(
            !waits(&ask(&mut ada, location, 303, &[]).await),
            "{location}"
        );
    }
    assert_eq!(app.flush_and_collect().await.len(), there.len());
}

#[tokio::test]
async fn calls_wait_only_at_a_status_that_browsers_follow() {
    let app = start_app();
    for (status, follows) in [
        (301, true),
        (302, true),
        (303, true),
        (307, true),
        (308, true),
        (300, false),
        (304, false),
        (305, false),
        (306, false),
        (201, false),
    ] {
        let mut ada = TestClient::browser(&app.url);
        assert_eq!(
            waits(&ask(&mut ada, "/", status, &[]).await),
            follows,
            "{status}"
        );
    }
    assert_eq!(app.flush_and_collect().await.len(), 5);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_origin_is_the_one_that_it_was_asked_for() {
    let evil = ("forwarded", "for=6.6.6.6;host=evil.example;proto=https");
    let families: [(ProxyHeaders, &[(&str, &str)]); 2] = [
        (
            ProxyHeaders::XForwarded,
            &[
                ("x-forwarded-host", "blog.example"),
                ("x-forwarded-proto", "https"),
                evil,
            ],
        ),
        (
            ProxyHeaders::Forwarded,
            &[("forwarded", "for=203.0.113.7;host=blog.example;proto=https")],
        ),
    ];
    for (family, forwarded) in families {
        let trusting = TestApp::build(routes::routes, |builder| {
            builder.trusted_proxies(["127.0.0.1"]).proxy_headers(family)
        });
        for (location, is_here) in [
            ("/", true),
            ("https://blog.example/", true),
            ("//blog.example/", true),
            ("http://blog.example/", false),
            ("https://evil.example/", false),
            ("https://blog.example:8443/", false),
            (&*trusting.url, false),
        ] {
            let mut ada = TestClient::browser(&trusting.url);
            assert_eq!(
                waits(&ask(&mut ada, location, 303, forwarded).await),
                is_here,
                "{location} {forwarded:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_proxy_says_that_nobody_trusts_is_not_believed() {
    let app = start_app();
    let forwarded = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
    ];
    let mut ada = TestClient::browser(&app.url);
    assert!(!waits(
        &ask(&mut ada, "http://evil.example/", 303, &forwarded).await
    ));
    assert!(waits(&ask(&mut ada, "/", 303, &forwarded).await));
}
