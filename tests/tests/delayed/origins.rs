//! Redirects that a browser follows to this origin, and those that lead elsewhere.

use mengpaneel::ProxyHeaders;
use mengpaneel_tests::{TestClient, TestResponse, event_names};

use crate::scenario::{Scenario, WithScenario as _};
use crate::scenario_app::{start_app, start_with_options};

/// Tracks an event before a redirect with this location, status and request headers.
async fn redirect(
    client: &mut TestClient,
    location: &str,
    status: u16,
    headers: &[(&str, &str)],
) -> TestResponse {
    let scenario = Scenario::redirect_to(location).identify("42").track("Buy");
    let request = client.get("/").scenario(&scenario.status(status));
    request.headers(headers).send().await
}

fn is_delayed(response: &TestResponse) -> bool {
    response
        .header("set-cookie")
        .is_some_and(|cookie| cookie.starts_with("mengpaneel_delayed_calls."))
}

#[tokio::test]
async fn same_origin_redirect_delays_calls() {
    let app = start_app();
    let host = app.url.strip_prefix("http://").unwrap().to_owned();
    let same_origin = [
        "/",
        "?x=1",
        "posts/1",
        "../up",
        &format!("http://{host}/x"),
        &format!("//{host}/"),
        "/#part",
    ];
    for location in same_origin {
        let mut ada = TestClient::browser(&app.url);
        assert!(
            is_delayed(&redirect(&mut ada, location, 303, &[]).await),
            "{location}"
        );
    }
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn cross_origin_redirect_delays_no_calls() {
    let app = start_app();
    let host = app.url.strip_prefix("http://").unwrap().to_owned();
    let name = host.split(':').next().unwrap();
    let other_origins = [
        "https://pay.example/",
        "//pay.example/",
        "/\\pay.example/",
        &format!("http://{name}:1/"),
        &format!("http://{host}@pay.example/"),
        &format!("ftp://{host}/"),
        "mailto:ada@blog.example",
        "http://[broken/",
        "",
    ];
    for location in other_origins {
        let mut ada = TestClient::browser(&app.url);
        assert!(
            !is_delayed(&redirect(&mut ada, location, 303, &[]).await),
            "{location}"
        );
    }
    assert_eq!(app.flush_and_collect().await.len(), other_origins.len());
}

#[tokio::test]
async fn only_statuses_that_browsers_follow_delay_calls() {
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
            is_delayed(&redirect(&mut ada, "/", status, &[]).await),
            follows,
            "{status}"
        );
    }
    assert_eq!(app.flush_and_collect().await.len(), 5);
}

#[tokio::test]
async fn trusted_proxy_headers_decide_the_origin() {
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
        let app = start_with_options(|builder| {
            builder.trusted_proxies(["127.0.0.1"]).proxy_headers(family)
        });
        for (location, is_same_origin) in [
            ("/", true),
            ("https://blog.example/", true),
            ("//blog.example/", true),
            ("http://blog.example/", false),
            ("https://evil.example/", false),
            ("https://blog.example:8443/", false),
            (&*app.url, false),
        ] {
            let mut ada = TestClient::browser(&app.url);
            assert_eq!(
                is_delayed(&redirect(&mut ada, location, 303, forwarded).await),
                is_same_origin,
                "{location} {forwarded:?}"
            );
        }
    }
}

#[tokio::test]
async fn headers_of_untrusted_proxy_are_ignored() {
    let app = start_app();
    let forwarded = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
    ];
    let mut ada = TestClient::browser(&app.url);
    assert!(!is_delayed(
        &redirect(&mut ada, "http://evil.example/", 303, &forwarded).await
    ));
    assert!(is_delayed(&redirect(&mut ada, "/", 303, &forwarded).await));
}
