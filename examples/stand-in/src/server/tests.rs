use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::received::{Endpoint, Via, now};

const SOON: Duration = Duration::from_secs(10);
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
    answer(stream)
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

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn track(stand_in: &StandIn) -> String {
    answer(open(stand_in, "POST /track/?ip=1&_=1 HTTP/1.1", EVENT))
}

#[test]
fn it_runs_without_a_runtime_and_keeps_what_came() {
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

/// Held also with actix-web's default features: `cargo test -p stand-in --features
/// actix-web/compress-gzip`.
#[test]
fn a_compressed_import_is_read_once() {
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
    let answered = send(&stand_in, head, &body);
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    assert_eq!(stand_in.events().len(), 1);
    assert_eq!(stand_in.requests()[0].bytes, body.len());
}

#[actix_web::test]
async fn it_runs_beside_another_runtime() {
    let stand_in = StandIn::start();
    let stream = open(&stand_in, "POST /track HTTP/1.1", EVENT);
    let event = stand_in.wait_for_event(SOON, "A").await.unwrap();
    assert_eq!(event.distinct_id(), Some("7"));
    drop(stream);
}

#[test]
fn a_browser_may_send_from_any_page() {
    let stand_in = StandIn::start();
    let head =
        "OPTIONS /engage/ HTTP/1.1\r\nOrigin: http://blog\r\nAccess-Control-Request-Headers: x";
    let preflight = answer(open(&stand_in, head, "")).to_lowercase();
    assert!(preflight.starts_with("http/1.1 204"));
    assert!(preflight.contains("access-control-allow-origin: http://blog"));
    assert!(preflight.contains("access-control-allow-credentials: true"));
    assert!(preflight.contains("access-control-allow-headers: x"));
    let head = "POST /track/ HTTP/1.1\r\nOrigin: http://blog";
    let sent = answer(open(&stand_in, head, EVENT)).to_lowercase();
    assert!(sent.contains("access-control-allow-origin: http://blog"));
}

#[test]
fn failures_say_their_status_and_take_nothing() {
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
fn a_closed_connection_answers_no_byte() {
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
async fn a_stalled_request_goes_on_when_all_is_well() {
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
    assert!(stand_in.wait_for_event(SOON, "A").await.is_ok());
    drop(stalled);
}

#[test]
fn the_live_page_shows_what_came_since() {
    let stand_in = StandIn::start();
    assert!(answer(open(&stand_in, "GET /live HTTP/1.1", "")).contains("<!doctype html>"));
    track(&stand_in);
    let all = answer(open(&stand_in, "GET /live.json HTTP/1.1", ""));
    assert!(all.contains(r#""what":"A""#));
    let later = answer(open(&stand_in, "GET /live.json?after=2 HTTP/1.1", ""));
    assert!(later.ends_with("[]"));
}

#[test]
fn dropping_it_frees_its_port() {
    let stand_in = StandIn::start();
    let address = stand_in.address;
    stand_in.stall();
    let waiting = open(&stand_in, "POST /track HTTP/1.1", EVENT);
    drop(stand_in);
    assert!(TcpStream::connect(address).is_err());
    drop(waiting);
}

#[test]
fn it_stops_and_starts_again_where_it_was() {
    let stand_in = StandIn::start();
    assert!(track(&stand_in).starts_with("HTTP/1.1 200"));
    stand_in.stop();
    stand_in.stop();
    assert!(TcpStream::connect(stand_in.address).is_err());
    stand_in.start_again().unwrap();
    assert!(track(&stand_in).starts_with("HTTP/1.1 200"));
    assert_eq!(stand_in.events().len(), 2, "what came before is kept");
}

#[test]
fn it_serves_mixpanel_js_where_it_was_given_it() {
    let stand_in = StandIn::start();
    let library = || answer(open(&stand_in, "GET /lib.js HTTP/1.1", ""));
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
fn small_library_is_served_as_a_script_for_pages_of_any_origin() {
    let stand_in = StandIn::start();
    let path = stand_in.small_library_url().replace(&stand_in.url(), "");
    let served = answer(open(&stand_in, &format!("GET {path} HTTP/1.1"), ""));
    let lower = served.to_lowercase();
    assert!(lower.starts_with("http/1.1 200"), "{served}");
    assert!(lower.contains("content-type: text/javascript"));
    assert!(lower.contains("cross-origin-resource-policy: cross-origin"));
    assert!(served.ends_with("})(window);\n"));
}
