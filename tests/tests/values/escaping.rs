//! Property texts that could break out of a script or a header.

use actix_web::{HttpResponse, get, web};
use mengpaneel_tests::{TestApp, TestClient, TestResponse};
use serde_json::json;

const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "line\u{2028}and\u{2029}paragraph",
    "emoji 🦀 and ünïcode",
    "\"quotes\" 'and' \\backslashes\\",
    "]]>&lt;&amp;",
];

#[get("/hostile")]
async fn hostile() -> HttpResponse {
    for text in HOSTILE {
        mengpaneel::track(text, json!({text: text}));
    }
    page()
}

#[get("/hostile.json")]
async fn hostile_json() -> HttpResponse {
    for text in HOSTILE {
        mengpaneel::track(text, json!({text: text}));
    }
    HttpResponse::Ok().json(())
}

fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!doctype html><html><head></head><body>page</body></html>")
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(hostile).service(hostile_json);
}

/// Returns the property value of each hostile event in the calls of a response.
fn hostile_values(response: &TestResponse) -> Vec<String> {
    let calls = response.calls();
    let texts = calls
        .iter()
        .zip(HOSTILE)
        .filter_map(|(call, text)| call.properties()?.get(text)?.as_str().map(str::to_owned));
    texts.collect()
}

#[tokio::test]
async fn hostile_text_is_escaped_and_arrives_unchanged() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let page = visitor.get("/hostile").send().await;
    assert_eq!(page.body.matches("<script").count(), 1);
    assert_eq!(page.body.matches("</script").count(), 1);
    assert!(!page.body.contains("<!--") && !page.body.contains('\u{2028}'));
    assert_eq!(hostile_values(&page), HOSTILE);

    let by_header = visitor
        .request(reqwest::Method::GET, "/hostile.json")
        .capable()
        .send()
        .await;
    assert!(by_header.header("x-mengpaneel-calls").unwrap().is_ascii());
    assert_eq!(hostile_values(&by_header), HOSTILE);

    visitor
        .request(reqwest::Method::GET, "/hostile.json")
        .send()
        .await;
    let arrived = app.flush_and_collect().await;
    for (event, text) in arrived.iter().zip(HOSTILE) {
        assert_eq!((event.event(), event.property(text)), (text, &json!(text)));
    }
    assert_eq!(arrived.len(), HOSTILE.len());
}
