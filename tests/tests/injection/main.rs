//! Into which responses the block is put over HTTP, into which not, and what else stays true.

use std::convert::Infallible;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use futures_util::{StreamExt as _, stream};
use mengpaneel_tests::{TestApp, TestClient, event_names};
use reqwest::Method;
use serde::Deserialize;
use tokio::sync::Notify;

const PAGE: &str = "<!doctype html><html><head><title>x</title></head><body>Hello</body></html>";

/// What is asked of a response: `content_type`, `status`, and headers as `name: value|name: value`.
#[derive(Deserialize)]
struct Wanted {
    #[serde(default = "html")]
    content_type: String,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: String,
    #[serde(default)]
    body: Option<String>,
}

fn html() -> String {
    "text/html; charset=utf-8".into()
}

fn ok() -> u16 {
    200
}

async fn answer(wanted: web::Query<Wanted>) -> HttpResponse {
    mengpaneel::track("View", ());
    let mut response = HttpResponseBuilder::new(StatusCode::from_u16(wanted.status).unwrap());
    response.content_type(wanted.content_type.as_str());
    for (name, value) in wanted
        .headers
        .split('|')
        .filter_map(|header| header.split_once(": "))
    {
        response.append_header((name, value));
    }
    match wanted.body.as_deref() {
        Some("utf-16") => {
            let units = "\u{feff}<html><head></head></html>".encode_utf16();
            response.body(units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
        }
        Some("stream") => response.streaming(stream::iter([Ok::<_, Infallible>(
            Bytes::from_static(PAGE.as_bytes()),
        )])),
        Some(other) => response.body(other.to_owned()),
        None if wanted.status == 204 || wanted.status == 304 => response.finish(),
        None => response.body(PAGE),
    }
}

/// Opens when the test says so.
type Gate = web::Data<Notify>;

/// Sends its head, waits, and sends the rest; what it records last is late.
async fn gated(gate: Gate) -> HttpResponse {
    mengpaneel::track("View", ());
    let first = stream::iter([
        "<!doctype html><html><head><title>x</title></he",
        "ad><body>first",
    ]);
    let rest = stream::once(async move {
        gate.notified().await;
        mengpaneel::track("Late", ());
        " last</body></html>"
    });
    let parts = first
        .chain(rest)
        .map(|part| Ok::<_, Infallible>(Bytes::from_static(part.as_bytes())));
    HttpResponse::Ok()
        .content_type("text/html")
        .insert_header(("content-security-policy", "script-src 'nonce-n0nce'"))
        .streaming(Box::pin(parts))
}

async fn open(gate: Gate) -> HttpResponse {
    gate.notify_one();
    HttpResponse::NoContent().finish()
}

/// Records late, where no script can stand.
async fn unclosed() -> HttpResponse {
    let parts = stream::iter([
        "<!doctype html><html><head></head><body>",
        "<textarea>not closed",
    ])
    .map(|part| {
        if part.starts_with("<textarea") {
            mengpaneel::track("Late", ());
        }
        Ok::<_, Infallible>(Bytes::from_static(part.as_bytes()))
    });
    HttpResponse::Ok()
        .content_type("text/html")
        .streaming(parts)
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(Gate::new(Notify::new()))
        .service(web::resource("/answer").to(answer))
        .route("/gated", web::get().to(gated))
        .route("/open", web::get().to(open))
        .route("/unclosed", web::get().to(unclosed));
}

fn path(wanted: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/answer?"));
    query.extend_pairs(wanted);
    query.finish()
}

#[tokio::test]
async fn a_page_carries_its_calls_and_its_headers_stay_true() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let headers = "etag: \"1\"|digest: sha-256=x|content-digest: sha-256=:x:|repr-digest: sha-256=:x:|content-md5: x\
                   |last-modified: Tue, 15 Nov 1994 12:45:26 GMT|accept-ranges: bytes|x-own: kept|vary: accept";
    let page = visitor.get(&path(&[("headers", headers)])).send().await;
    assert_eq!(page.call_summary(), ["track View"]);
    assert_eq!(
        page.header("content-length"),
        Some(page.body.len().to_string().as_str())
    );
    for gone in [
        "etag",
        "digest",
        "content-digest",
        "repr-digest",
        "content-md5",
        "last-modified",
        "accept-ranges",
    ] {
        assert_eq!(page.header(gone), None, "{gone}");
    }
    assert_eq!(
        (page.header("x-own"), page.header("vary")),
        (Some("kept"), Some("accept"))
    );
    assert_eq!(page.header("cache-control"), Some("private"));
    // Bytes are only inserted.
    let (before, after) = PAGE.split_once("</head>").unwrap();
    let block = page
        .body
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(&format!("</head>{after}")));
    assert!(
        block.is_some_and(|block| block.starts_with("<script>") && block.ends_with("</script>\n"))
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn any_status_that_shows_a_page_and_any_charset_like_ascii_is_injected() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    for wanted in [
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
        let page = visitor.get(&path(&wanted)).send().await;
        assert_eq!(page.call_summary(), ["track View"], "{wanted:?}");
        assert_eq!(
            page.header("content-length"),
            Some(page.body.len().to_string().as_str()),
            "{wanted:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_page_of_this_visitor_stays_as_it_is_and_the_server_sends_its_event() {
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
    for wanted in responses {
        let page = visitor.get(&path(wanted)).send().await;
        assert!(
            !page.body.contains("this.track("),
            "{wanted:?}: {}",
            page.body
        );
        assert_eq!(page.header("x-mengpaneel-calls"), None, "{wanted:?}");
        let own = wanted
            .iter()
            .any(|(_, value)| value.starts_with("cache-control"));
        assert_eq!(page.header("cache-control").is_some(), own, "{wanted:?}");
    }
    let by_server = event_names(&app.flush_and_collect().await).len();
    assert_eq!(by_server, responses.len());
}

#[tokio::test]
async fn who_does_not_look_at_a_page_gets_it_as_it_is() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let head = visitor
        .request(Method::HEAD, "/answer")
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
        let page = visitor.get("/answer").header(name, value).send().await;
        assert_eq!(page.body, PAGE, "{name}");
        assert_eq!(
            page.header("x-mengpaneel-calls").is_some(),
            name == "x-mengpaneel-flush-capable"
        );
    }
    assert_eq!(event_names(&app.flush_and_collect().await), ["View"; 4]);
}

#[tokio::test]
async fn page_that_a_cache_may_keep_has_nothing_of_ours() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let mut visitor = TestClient::browser(&app.url);
    for headers in [
        "cache-control: public, max-age=60",
        "x-accel-expires: 300",
        "netlify-cdn-cache-control: max-age=1",
    ] {
        for body in [PAGE, "stream"] {
            let page = visitor
                .get(&path(&[("headers", headers), ("body", body)]))
                .send()
                .await;
            assert_eq!(
                (&*page.body, page.header("set-cookie")),
                (PAGE, None),
                "{headers}: {body}"
            );
            let own = headers.strip_prefix("cache-control: ");
            assert_eq!(page.header("cache-control"), own, "{headers}: {body}");
        }
    }
}

#[tokio::test]
async fn stream_that_is_injected_into_keeps_no_validator() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let headers = "etag: \"1\"|accept-ranges: bytes|last-modified: Tue, 15 Nov 1994 12:45:26 GMT";
    let mut visitor = TestClient::browser(&app.url);
    let page = visitor
        .get(&path(&[("headers", headers), ("body", "stream")]))
        .send()
        .await;
    assert_eq!(
        (page.call_summary(), page.header("cache-control")),
        (vec!["track View".to_owned()], Some("private"))
    );
    for gone in ["etag", "accept-ranges", "last-modified"] {
        assert_eq!(page.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn a_stream_is_injected_as_it_flows_and_again_after_its_last_byte() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let mut visitor = TestClient::browser(&app.url);
    let client = reqwest::Client::new();
    let asked = client
        .get(format!("{}/gated", app.url))
        .header("accept", "text/html");
    let mut response = asked
        .header("sec-fetch-mode", "navigate")
        .send()
        .await
        .unwrap();
    let mut body = String::new();
    while !body.ends_with("first") {
        let piece = response.chunk().await.unwrap().unwrap();
        body.push_str(std::str::from_utf8(&piece).unwrap());
    }
    // The head has left, with its block, before the rest was so much as written.
    assert!(body.contains("this.track(\"View\""), "{body}");
    visitor.get("/open").send().await;
    while let Some(piece) = response.chunk().await.unwrap() {
        body.push_str(std::str::from_utf8(&piece).unwrap());
    }
    let (_, late) = body.split_once("</html>").unwrap();
    assert!(
        late.starts_with("<script nonce=\"n0nce\">") && late.contains("this.track(\"Late\""),
        "{late}"
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn what_comes_late_where_no_script_can_stand_goes_by_the_server() {
    let app = TestApp::build(routes, |builder| builder.inject_into_streams(true));
    let mut visitor = TestClient::browser(&app.url);
    let page = visitor.get("/unclosed").send().await;
    assert!(page.body.ends_with("<textarea>not closed"), "{}", page.body);
    assert_eq!(event_names(&app.flush_and_collect().await), ["Late"]);
}

/// A header that names several policies is as strict as all of them.
#[tokio::test]
async fn a_policy_that_forbids_the_block_keeps_it_out() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let forbids =
        "content-security-policy: script-src 'nonce-a'|content-security-policy: default-src 'self'";
    let page = visitor.get(&path(&[("headers", forbids)])).send().await;
    assert_eq!(page.body, PAGE);
    let nonce = visitor
        .get(&path(&[(
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
