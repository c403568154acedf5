use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::received::{Endpoint, Via, now};

const TIMEOUT: Duration = Duration::from_secs(10);
const EVENT: &str =
    r#"{"event":"A","properties":{"token":"t","distinct_id":"7","$insert_id":"x"}}"#;

fn send(stand_in: &StandIn, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(stand_in.address).unwrap();
    write!(
        stream,
        "{head}\r\nHost: stand-in\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    read_response(stream)
}

fn open(stand_in: &StandIn, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(stand_in.address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nHost: stand-in\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    stream
}

fn read_response(mut stream: TcpStream) -> String {
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response);
    response
}

fn track(stand_in: &StandIn) -> String {
    read_response(open(stand_in, "POST /track/?ip=1&_=1 HTTP/1.1", EVENT))
}

#[test]
fn stand_in_runs_without_a_runtime() {
    let stand_in = StandIn::start();
    assert!(track(&stand_in).starts_with("HTTP/1.1 200"));
    let events = stand_in.events();
    assert_eq!(events[0].via, Via::Browser);
    assert_eq!(events[0].head.param("ip"), Some("1"));
    assert_eq!(events[0].head.ip.as_deref(), Some("127.0.0.1"));
    let requests = stand_in.requests();
    assert_eq!(requests[0].endpoint, Endpoint::Track);
    assert_eq!(requests[0].status, Some(200));
}

/// Also holds with actix-web's default features: `cargo test -p stand-in --features
/// actix-web/compress-gzip`.
#[test]
fn compressed_import_is_decompressed_once() {
    let stand_in = StandIn::start();
    let time = now();
    let event = format!(
        r#"[{{"event":"A","properties":{{"time":{time},"distinct_id":"7","$insert_id":"x"}}}}]"#
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(event.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();

    let head = "POST /import?strict=1 HTTP/1.1\r\nAuthorization: Basic dG9rZW46\r\nContent-Type: application/json\r\n\
                Content-Encoding: gzip";
    let response = send(&stand_in, head, &body);
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert_eq!(stand_in.events().len(), 1);
    assert_eq!(stand_in.requests()[0].bytes, body.len());
}

#[actix_web::test]
async fn stand_in_runs_next_to_another_runtime() {
    let stand_in = StandIn::start();
    let stream = open(&stand_in, "POST /track HTTP/1.1", EVENT);
    let event = stand_in.wait_for_event(TIMEOUT, "A").await.unwrap();
    assert_eq!(event.distinct_id(), Some("7"));
    drop(stream);
}

#[test]
fn cors_allows_every_origin() {
    let stand_in = StandIn::start();
    let head =
        "OPTIONS /engage/ HTTP/1.1\r\nOrigin: http://blog\r\nAccess-Control-Request-Headers: x";
    let preflight = read_response(open(&stand_in, head, "")).to_lowercase();
    assert!(preflight.starts_with("http/1.1 204"));
    assert!(preflight.contains("access-control-allow-origin: http://blog"));
    assert!(preflight.contains("access-control-allow-credentials: true"));
    assert!(preflight.contains("access-control-allow-headers: x"));
    let head = "POST /track/ HTTP/1.1\r\nOrigin: http://blog";
    let sent = read_response(open(&stand_in, head, EVENT)).to_lowercase();
    assert!(sent.contains("access-control-allow-origin: http://blog"));
}

#[test]
fn injected_failures_respond_and_store_nothing() {
    let stand_in = StandIn::start();
    stand_in.retry_after(7);
    stand_in.fail_next(1, 429);
    let failed = track(&stand_in);
    assert!(failed.starts_with("HTTP/1.1 429"));
    assert!(failed.to_lowercase().contains("retry-after: 7"));
    stand_in.fail_with(503);
    assert!(track(&stand_in).starts_with("HTTP/1.1 503"));
    assert!(stand_in.events().is_empty());
    stand_in.recover();
    assert!(track(&stand_in).starts_with("HTTP/1.1 200"));
}

#[test]
fn closed_connections_send_no_byte() {
    let stand_in = StandIn::start();
    stand_in.close_connections();
    assert_eq!(track(&stand_in), "");
    assert!(stand_in.events().is_empty());
    stand_in.lose_answers();
    assert_eq!(track(&stand_in), "");
    assert_eq!(stand_in.events().len(), 1);
    assert_eq!(stand_in.requests().len(), 2);
}

#[actix_web::test]
async fn stalled_request_continues_after_recovery() {
    let stand_in = StandIn::start();
    stand_in.stall();
    let stalled = open(&stand_in, "POST /track HTTP/1.1", EVENT);
    assert!(
        stand_in
            .wait_for_event(Duration::from_millis(100), "A")
            .await
            .is_err()
    );
    stand_in.recover();
    assert!(stand_in.wait_for_event(TIMEOUT, "A").await.is_ok());
    drop(stalled);
}

#[test]
fn live_json_returns_entries_after_a_number() {
    let stand_in = StandIn::start();
    assert!(read_response(open(&stand_in, "GET /live HTTP/1.1", "")).contains("<!doctype html>"));
    track(&stand_in);
    let all = read_response(open(&stand_in, "GET /live.json HTTP/1.1", ""));
    assert!(all.contains(r#""what":"A""#));
    let later = read_response(open(&stand_in, "GET /live.json?after=2 HTTP/1.1", ""));
    assert!(later.ends_with("[]"));
}

#[test]
fn drop_frees_the_port() {
    let stand_in = StandIn::start();
    let address = stand_in.address;
    stand_in.stall();
    let waiting = open(&stand_in, "POST /track HTTP/1.1", EVENT);
    drop(stand_in);
    assert!(TcpStream::connect(address).is_err());
    drop(waiting);
}

#[test]
fn restart_keeps_address_and_data() {
    let stand_in = StandIn::start();
    assert!(track(&stand_in).starts_with("HTTP/1.1 200"));
    stand_in.stop();
    stand_in.stop();
    assert!(TcpStream::connect(stand_in.address).is_err());
    stand_in.start_again().unwrap();
    assert!(track(&stand_in).starts_with("HTTP/1.1 200"));
    assert_eq!(stand_in.events().len(), 2, "earlier events are kept");
}

#[test]
fn lib_js_serves_the_provided_library() {
    let stand_in = StandIn::start();
    let library = || read_response(open(&stand_in, "GET /lib.js HTTP/1.1", ""));
    assert!(library().starts_with("HTTP/1.1 404"));
    stand_in.serve_library("window.mixpanel = {}");
    let served = library();
    assert!(
        served
            .to_lowercase()
            .contains("content-type: text/javascript")
    );
    assert!(served.ends_with("window.mixpanel = {}"));
}

#[test]
fn small_library_is_a_script_for_any_origin() {
    let stand_in = StandIn::start();
    let path = stand_in.small_library_url().replace(&stand_in.url(), "");
    let served = read_response(open(&stand_in, &format!("GET {path} HTTP/1.1"), ""));
    let lower = served.to_lowercase();
    assert!(lower.starts_with("http/1.1 200"), "{served}");
    assert!(lower.contains("content-type: text/javascript"));
    assert!(lower.contains("cross-origin-resource-policy: cross-origin"));
    assert!(served.ends_with("})(window);\n"));
}
