//! Responses of misbehaving servers: redirects to other origins, loops, and endless responses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::deliver::http::MAX_REDIRECTS;

/// Starts a server that sends `respond(path)` on a new connection for each request. Returns its URL
/// and the heads of the requests.
async fn start_server(
    respond: impl Fn(&str) -> Vec<u8> + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (url, heads) = (
        format!("http://{}", listener.local_addr().unwrap()),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let received = Arc::clone(&heads);
    actix_web::rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 65_536];
            let count = stream.read(&mut buffer).await.unwrap();
            let head = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            received.lock().unwrap().push(head);
            drop(stream.write_all(&respond(&path)).await);
            drop(stream.shutdown().await);
        }
    });
    (url, heads)
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1";

#[actix_web::test]
async fn method_preserving_redirect_follows_same_origin() {
    for status in [307, 308] {
        let (url, heads) = start_server(move |path| match path {
            "/import?strict=1" => redirect(status, "/v2/import?strict=1"),
            "/v2/import?strict=1" => ACCEPTED.to_vec(),
            _ => redirect(404, "/"),
        })
        .await;
        assert_eq!(
            deliver(&url, Duration::from_secs(30), vec![event(1)]).await,
            [None]
        );
        let heads = heads.lock().unwrap();
        assert!(
            heads[1].starts_with("POST /v2/import")
                && heads[1].to_lowercase().contains("authorization: basic")
        );
    }
}

#[actix_web::test]
async fn other_redirects_are_not_followed() {
    let (other_origin, other_heads) = start_server(|_| ACCEPTED.to_vec()).await;
    let other_url = format!("{other_origin}/import");
    for (status, location) in [
        (307, other_url.clone()),
        (308, other_url.clone()),
        (301, "/import/".to_owned()),
        (302, "/import/".to_owned()),
        (303, "/import/".to_owned()),
        (307, "file:///etc/passwd".to_owned()),
        (307, "http://[".to_owned()),
    ] {
        let header = location.clone();
        let (url, heads) = start_server(move |_| redirect(status, &header)).await;
        let outcomes = deliver(&url, Duration::from_secs(30), vec![event(1)]).await;
        assert_eq!(kinds(&outcomes), ["not served"], "{status} {location}");
        assert_eq!(heads.lock().unwrap().len(), 1, "{status} {location}");
    }
    assert!(
        other_heads.lock().unwrap().is_empty(),
        "another host receives no credentials"
    );
}

#[actix_web::test]
async fn redirect_loop_ends_at_bound() {
    let (url, heads) = start_server(|_| redirect(307, "/import?strict=1")).await;
    let outcomes = deliver(&url, Duration::from_secs(30), vec![event(1)]).await;
    assert_eq!(kinds(&outcomes), ["not served"]);
    assert_eq!(heads.lock().unwrap().len(), 1 + MAX_REDIRECTS);
}

/// Starts a server that sends a head, and then `chunk` repeatedly until the client disconnects.
/// Returns its URL and the number of sent bytes.
async fn start_endless_server(
    head: &'static str,
    chunk: Vec<u8>,
    pause: Duration,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (url, sent) = (
        format!("http://{}", listener.local_addr().unwrap()),
        Arc::<AtomicUsize>::default(),
    );
    let counter = Arc::clone(&sent);
    actix_web::rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counter, chunk) = (Arc::clone(&counter), chunk.clone());
            actix_web::rt::spawn(async move {
                let _ = stream.read(&mut [0; 4_096]).await;
                let mut next = head.as_bytes();
                while stream.write_all(next).await.is_ok() {
                    counter.fetch_add(next.len(), Ordering::Relaxed);
                    next = &chunk;
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    (url, sent)
}

#[actix_web::test]
async fn endless_body_is_read_up_to_its_bound() {
    let megabyte = vec![b' '; 1 << 20];
    for (head, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", ["delivered", "delivered"]),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            ["delivered", "delivered"],
        ),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", ["rejected", "rejected"]),
        (
            "HTTP/1.1 401 Unauthorized\r\n\r\n",
            ["unauthorized", "unauthorized"],
        ),
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            ["not served", "not served"],
        ),
        ("HTTP/1.1 500 Oh\r\n\r\n", ["retry", "in doubt"]),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
            ["delivered", "delivered"],
        ),
    ] {
        let (url, sent) = start_endless_server(head, megabyte.clone(), Duration::ZERO).await;
        let outcomes = deliver(&url, Duration::from_secs(60), vec![event(1), increment()]).await;
        assert_eq!(kinds(&outcomes), expected, "{head}");
        // Two responses, and the data that the kernel buffers.
        assert!(
            sent.load(Ordering::Relaxed) < 40 << 20,
            "{head}: {}",
            sent.load(Ordering::Relaxed)
        );
    }
}

#[actix_web::test]
async fn slow_response_ends_at_timeout() {
    let pause = Duration::from_millis(20);
    for (head, chunk, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", " ", ["retry", "in doubt"]),
        ("HTTP/1.1 500 Oh\r\n\r\n", " ", ["retry", "in doubt"]),
        ("HTTP/1.1 404 No\r\n\r\n", " ", ["not served", "not served"]),
        ("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", ["retry", "in doubt"]),
        (
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            ["retry", "in doubt"],
        ),
    ] {
        let (url, _) = start_endless_server(head, chunk.as_bytes().to_vec(), pause).await;
        let outcomes = deliver(
            &url,
            Duration::from_millis(600),
            vec![event(1), increment()],
        )
        .await;
        assert_eq!(kinds(&outcomes), expected, "{head}");
    }
}

#[actix_web::test]
async fn endless_headers_end_at_bound() {
    let (url, sent) = start_endless_server(
        "HTTP/1.1 200 OK\r\n",
        b"X-A: b\r\n".repeat(10_000),
        Duration::ZERO,
    )
    .await;
    let outcomes = deliver(&url, Duration::from_secs(60), vec![event(1), increment()]).await;
    assert_eq!(kinds(&outcomes), ["retry", "in doubt"]);
    assert!(sent.load(Ordering::Relaxed) < 40 << 20);
}
