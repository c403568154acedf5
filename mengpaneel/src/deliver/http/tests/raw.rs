//! Answers that no well-behaved server gives: redirects elsewhere, loops, and answers without end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::deliver::http::MAX_REDIRECTS;

/// Answers each request on a connection of its own, with what `answer` gives for the path that was
/// asked for; tells the heads of the requests.
async fn raw(answer: impl Fn(&str) -> Vec<u8> + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (url, heads) = (
        format!("http://{}", listener.local_addr().unwrap()),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let seen = Arc::clone(&heads);
    actix_web::rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![0; 65_536];
            let count = stream.read(&mut read).await.unwrap();
            let head = String::from_utf8_lossy(&read[..count]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            seen.lock().unwrap().push(head);
            drop(stream.write_all(&answer(&path)).await);
            drop(stream.shutdown().await);
        }
    });
    (url, heads)
}

fn redirect(status: u16, to: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1";

#[actix_web::test]
async fn a_redirect_that_keeps_the_method_is_followed_on_the_same_origin() {
    for status in [307, 308] {
        let (url, heads) = raw(move |path| match path {
            "/import?strict=1" => redirect(status, "/v2/import?strict=1"),
            "/v2/import?strict=1" => TAKEN.to_vec(),
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
async fn no_other_redirect_is_followed_and_what_was_sent_waits() {
    let (other, visits) = raw(|_| TAKEN.to_vec()).await;
    let elsewhere = format!("{other}/import");
    for (status, to) in [
        (307, elsewhere.clone()),
        (308, elsewhere.clone()),
        (301, "/import/".to_owned()),
        (302, "/import/".to_owned()),
        (303, "/import/".to_owned()),
        (307, "file:///etc/passwd".to_owned()),
        (307, "http://[".to_owned()),
    ] {
        let place = to.clone();
        let (url, heads) = raw(move |_| redirect(status, &place)).await;
        let outcomes = deliver(&url, Duration::from_secs(30), vec![event(1)]).await;
        assert_eq!(kinds(&outcomes), ["not served"], "{status} {to}");
        assert_eq!(heads.lock().unwrap().len(), 1, "{status} {to}");
    }
    assert!(
        visits.lock().unwrap().is_empty(),
        "no credentials for another host"
    );
}

#[actix_web::test]
async fn a_loop_of_redirects_ends() {
    let (url, heads) = raw(|_| redirect(307, "/import?strict=1")).await;
    let outcomes = deliver(&url, Duration::from_secs(30), vec![event(1)]).await;
    assert_eq!(kinds(&outcomes), ["not served"]);
    assert_eq!(heads.lock().unwrap().len(), 1 + MAX_REDIRECTS);
}

/// Answers with a head and then `part` again and again, until the client is gone; tells how many
/// bytes it took.
async fn endless(head: &'static str, part: Vec<u8>, pause: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (url, sent) = (
        format!("http://{}", listener.local_addr().unwrap()),
        Arc::<AtomicUsize>::default(),
    );
    let counted = Arc::clone(&sent);
    actix_web::rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counted, part) = (Arc::clone(&counted), part.clone());
            actix_web::rt::spawn(async move {
                let _ = stream.read(&mut [0; 4_096]).await;
                let mut next = head.as_bytes();
                while stream.write_all(next).await.is_ok() {
                    counted.fetch_add(next.len(), Ordering::Relaxed);
                    next = &part;
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    (url, sent)
}

#[actix_web::test]
async fn an_answer_without_end_is_read_up_to_its_bound_and_judged_by_status() {
    let megabyte = vec![b' '; 1 << 20];
    for (head, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\n", ["delivered", "delivered"]),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            ["delivered", "delivered"],
        ),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", ["refused", "refused"]),
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
        let (url, sent) = endless(head, megabyte.clone(), Duration::ZERO).await;
        let outcomes = deliver(&url, Duration::from_secs(60), vec![event(1), increment()]).await;
        assert_eq!(kinds(&outcomes), expected, "{head}");
        // Two answers, and what the kernel takes ahead of the client.
        assert!(
            sent.load(Ordering::Relaxed) < 40 << 20,
            "{head}: {}",
            sent.load(Ordering::Relaxed)
        );
    }
}

#[actix_web::test]
async fn an_answer_that_trickles_ends_by_the_timeout() {
    let pause = Duration::from_millis(20);
    for (head, part, expected) in [
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
        let (url, _) = endless(head, part.as_bytes().to_vec(), pause).await;
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
async fn endless_headers_end_by_their_bound() {
    let (url, sent) = endless(
        "HTTP/1.1 200 OK\r\n",
        b"X-A: b\r\n".repeat(10_000),
        Duration::ZERO,
    )
    .await;
    let outcomes = deliver(&url, Duration::from_secs(60), vec![event(1), increment()]).await;
    assert_eq!(kinds(&outcomes), ["retry", "in doubt"]);
    assert!(sent.load(Ordering::Relaxed) < 40 << 20);
}
