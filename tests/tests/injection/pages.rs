//! Pages in memory, and responses that are no pages.

use actix_web::web;
use mengpaneel_tests::{TestApp, TestClient, event_names};
use reqwest::Method;

use crate::{PAGE, respond, spec_path};

fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/response").to(respond));
}

#[tokio::test]
async fn injected_page_has_calls_and_valid_headers() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let headers = "etag: \"1\"|digest: sha-256=x|content-digest: sha-256=:x:|repr-digest: sha-256=:x:|content-md5: x\
                   |last-modified: Tue, 15 Nov 1994 12:45:26 GMT|accept-ranges: bytes|x-own: kept|vary: accept";
    let page = visitor
        .get(&spec_path(&[("headers", headers)]))
        .send()
        .await;
    assert_eq!(page.call_summary(), ["track View"]);
    assert_eq!(
        page.header("content-length"),
        Some(page.body.len().to_string().as_str())
    );
    for removed in [
        "etag",
        "digest",
        "content-digest",
        "repr-digest",
        "content-md5",
        "last-modified",
        "accept-ranges",
    ] {
        assert_eq!(page.header(removed), None, "{removed}");
    }
    assert_eq!(
        (page.header("x-own"), page.header("vary")),
        (Some("kept"), Some("accept"))
    );
    assert_eq!(page.header("cache-control"), Some("private"));
    // The body has all its bytes, in order, around the snippet.
    let (before, after) = PAGE.split_once("</head>").unwrap();
    let snippet = page
        .body
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(&format!("</head>{after}")));
    assert!(
        snippet.is_some_and(
            |snippet| snippet.starts_with("<script>") && snippet.ends_with("</script>\n")
        )
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn all_visible_statuses_and_ascii_charsets_are_injected() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    for spec in [
        [("status", "404"), ("content_type", "text/html")],
        [
            ("status", "500"),
            ("content_type", "TEXT/HTML;charset=iso-8859-1"),
        ],
        [
            ("status", "201"),
            ("content_type", "text/html; charset=\"windows-1252\""),
        ],
        [
            ("headers", "cache-control: no-store"),
            ("content_type", "text/html"),
        ],
        [
            ("headers", "cache-control: private, max-age=60"),
            ("content_type", "text/html"),
        ],
        [
            ("headers", "content-encoding: identity"),
            ("content_type", "text/html"),
        ],
        [
            ("headers", "content-disposition: inline"),
            ("content_type", "text/html"),
        ],
        [
            ("body", "<title>x</title><body>"),
            ("content_type", "text/html"),
        ],
        [
            ("body", "<meta charset=utf-8><body>"),
            ("content_type", "text/html"),
        ],
        [
            ("body", "<META CHARSET=' UTF-8 '><body>"),
            ("content_type", "text/html"),
        ],
        [
            ("body", "<meta charset=shift_jis><body>"),
            ("content_type", "text/html"),
        ],
        [
            (
                "body",
                "<meta charset=iso-2022-jp><title>\x1b(J</title><body>",
            ),
            ("content_type", "text/html; charset=gb18030"),
        ],
        [
            ("body", "<title>x</title><body>\x1b(J"),
            ("content_type", "text/html"),
        ],
    ] {
        let page = visitor.get(&spec_path(&spec)).send().await;
        assert_eq!(page.call_summary(), ["track View"], "{spec:?}");
        assert_eq!(
            page.header("content-length"),
            Some(page.body.len().to_string().as_str()),
            "{spec:?}"
        );
    }
}

#[tokio::test]
async fn other_responses_are_unchanged_and_server_delivers() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let responses: &[&[(&str, &str)]] = &[
        &[("status", "204")],
        &[("status", "205")],
        &[
            ("status", "206"),
            ("headers", "content-range: bytes 0-74/75"),
        ],
        &[("status", "304")],
        &[(
            "headers",
            "content-disposition: attachment; filename=\"a.html\"",
        )],
        &[("headers", "content-disposition: ATTACHMENT")],
        &[("content_type", "multipart/mixed; boundary=x")],
        &[("content_type", "application/xhtml+xml")],
        &[("content_type", "text/plain")],
        &[("content_type", "text/html; charset=utf-16")],
        &[("content_type", "text/html; charset=UTF-16LE")],
        &[("content_type", "text/html; charset=ISO-2022-JP")],
        &[("content_type", "text/html;charset=\"csISO2022JP\"")],
        &[(
            "content_type",
            "text/html; charset=utf-8; charset=iso-2022-jp",
        )],
        &[("content_type", "text/html; charset=utf-7")],
        &[("content_type", "text/html; charset=hz-gb-2312")],
        &[("content_type", "text/html; charset=ibm037")],
        &[
            ("content_type", "text/html"),
            ("headers", "content-type: text/html; charset=iso-2022-jp"),
        ],
        &[
            ("content_type", "text/html"),
            ("body", "<meta charset=iso-2022-jp><body>"),
        ],
        &[
            ("content_type", "text/html"),
            ("body", "<meta a charset = \"ISO-2022-JP\"><body>"),
        ],
        &[
            ("content_type", "text/html"),
            (
                "body",
                "<meta content='text/html; charset=iso-2022-jp' http-equiv=Content-Type><body>",
            ),
        ],
        &[
            ("content_type", "text/html"),
            ("body", "<title>\x1b(J</title><body>"),
        ],
        &[
            ("content_type", "text/html"),
            ("body", "<!--\x1b$B--><body>"),
        ],
        &[("content_type", "text/html"), ("body", "utf-16")],
        &[("headers", "content-encoding: gzip")],
        &[("headers", "content-encoding: identity, br")],
        &[("headers", "cache-control: public, max-age=60")],
        &[("headers", "cache-control: s-maxage=60")],
        &[("headers", "cache-control: private|cache-control: public")],
        &[("headers", "surrogate-control: max-age=60")],
        &[("body", "<p>only a part</p>")],
        &[("body", "")],
        &[("body", "stream")],
    ];
    for spec in responses {
        let page = visitor.get(&spec_path(spec)).send().await;
        assert!(
            !page.body.contains("this.track("),
            "{spec:?}: {}",
            page.body
        );
        assert_eq!(page.header("x-mengpaneel-calls"), None, "{spec:?}");
        let has_own = spec
            .iter()
            .any(|(_, value)| value.starts_with("cache-control"));
        assert_eq!(page.header("cache-control").is_some(), has_own, "{spec:?}");
    }
    let by_server = event_names(&app.flush_and_collect().await).len();
    assert_eq!(by_server, responses.len());
}

#[tokio::test]
async fn request_without_visible_page_gets_unchanged_page() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let head = visitor
        .request(Method::HEAD, "/response")
        .header("accept", "text/html")
        .send()
        .await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for (name, value) in [
        ("x-requested-with", "XMLHttpRequest"),
        ("sec-fetch-mode", "cors"),
        ("hx-request", "true"),
        ("x-mengpaneel-flush-capable", "true"),
    ] {
        let page = visitor.get("/response").header(name, value).send().await;
        assert_eq!(page.body, PAGE, "{name}");
        assert_eq!(
            page.header("x-mengpaneel-calls").is_some(),
            name == "x-mengpaneel-flush-capable"
        );
    }
    assert_eq!(event_names(&app.flush_and_collect().await), ["View"; 4]);
}

#[tokio::test]
async fn cacheable_page_has_no_snippet_and_no_cookie() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let mut visitor = TestClient::browser(&app.url);
    for headers in [
        "cache-control: public, max-age=60",
        "x-accel-expires: 300",
        "netlify-cdn-cache-control: max-age=1",
    ] {
        for body in [PAGE, "stream"] {
            let page = visitor
                .get(&spec_path(&[("headers", headers), ("body", body)]))
                .send()
                .await;
            assert_eq!(
                (&*page.body, page.header("set-cookie")),
                (PAGE, None),
                "{headers}: {body}"
            );
            let original = headers.strip_prefix("cache-control: ");
            assert_eq!(page.header("cache-control"), original, "{headers}: {body}");
        }
    }
}

#[tokio::test]
async fn strictest_of_several_policies_decides() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let two_policies =
        "content-security-policy: script-src 'nonce-a'|content-security-policy: default-src 'self'";
    let page = visitor
        .get(&spec_path(&[("headers", two_policies)]))
        .send()
        .await;
    assert_eq!(page.body, PAGE);
    let nonce = visitor
        .get(&spec_path(&[(
            "headers",
            "content-security-policy: script-src 'nonce-a'",
        )]))
        .send()
        .await;
    assert!(
        nonce.body.contains("<script nonce=\"a\">") && nonce.call_summary() == ["track View"],
        "{}",
        nonce.body
    );
    assert_eq!(event_names(&app.flush_and_collect().await), ["View"]);
}
