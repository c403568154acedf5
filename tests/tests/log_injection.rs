//! Log injection: text of visitors can neither forge nor flood the log.
//!
//! The test has a binary of its own, because it captures the log of all threads.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::{HttpResponse, get, web};
use mengpaneel_tests::{TestApp, TestClient};
use serde_json::{Map, Value, json};

/// Captured log, as a file would contain it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[get("/ten")]
async fn ten() -> HttpResponse {
    for number in 0..10 {
        mengpaneel::track("Ten", json!({"number": number}));
    }
    HttpResponse::Ok().json(())
}

#[get("/search")]
async fn search(query: web::Query<Vec<(String, String)>>) -> HttpResponse {
    let properties: Map<String, Value> = query
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    mengpaneel::track("Search", properties);
    HttpResponse::Ok().json(())
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(ten).service(search);
}

fn encoded(stored: &Value) -> String {
    url::form_urlencoded::byte_serialize(stored.to_string().as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

#[tokio::test]
async fn visitor_text_cannot_forge_or_flood_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let filter = tracing_subscriber::EnvFilter::new("mengpaneel=info");
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .init();
    let failures = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&failures);
    let app = TestApp::build(routes, |builder| {
        builder.on_error(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        })
    });
    let mut visitor = TestClient::browser(&app.url);
    let forged = |number: usize| {
        format!(
            "{number}\nERROR mengpaneel: forged \u{2028}\u{1b}[31m{}",
            "n".repeat(250)
        )
    };
    let mut stored: Map<String, Value> = (0..60)
        .map(|number| (forged(number), json!("x".repeat(300))))
        .collect();
    stored.extend([
        ("distinct_id".to_owned(), json!("$device:d1")),
        ("$device_id".to_owned(), json!("d1")),
        (
            "$initial_referrer".to_owned(),
            json!(format!("https://example.com/?{}", "r".repeat(400))),
        ),
        ("time".to_owned(), json!("never\nERROR forged")),
    ]);
    visitor
        .cookies
        .insert("mp_demo_mixpanel".into(), encoded(&stored.into()));
    assert_eq!(
        visitor
            .get("/ten")
            .header("accept", "application/json")
            .send()
            .await
            .status,
        200
    );
    let arrived = app.flush_and_collect().await;
    assert_eq!(arrived.len(), 10);
    assert_eq!(
        (log.take(), failures.swap(0, Ordering::Relaxed)),
        (String::new(), 0),
        "nothing about the cookie is logged or reported"
    );

    let mut query = url::form_urlencoded::Serializer::new("/search?".to_owned());
    for number in 0..30 {
        query.append_pair(&forged(number), &"y".repeat(300));
    }
    let request = visitor
        .get(&query.finish())
        .header("accept", "application/json");
    assert_eq!(request.send().await.status, 200);
    app.flush_and_collect().await;
    let lines = log.take();
    assert_eq!(
        (lines.lines().count(), failures.load(Ordering::Relaxed)),
        (1, 1),
        "one line and one failure: {lines}"
    );
    assert!(
        lines.len() < 1_000 && !lines.contains(['\u{1b}', '\u{2028}']),
        "{lines}"
    );
}
