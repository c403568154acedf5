//! Connections: failures, timeouts, and the offered protocols.

use super::*;

#[actix_web::test]
async fn failed_connection_allows_retry_of_all_messages() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcomes = deliver(&url, Duration::from_secs(30), vec![event(1), increment()]).await;
    assert_eq!(kinds(&outcomes), ["retry"; 2]);
    for (outcome, path) in outcomes.into_iter().zip(["import", "engage"]) {
        let Some(SendError { kind, reason, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(kind, SendErrorKind::Retry);
        assert!(
            reason.starts_with(&format!("{url}/{path}: "))
                && reason.to_lowercase().contains("refused"),
            "{reason}"
        );
    }
}

#[actix_web::test]
async fn lost_response_leaves_only_increment_in_doubt() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Reads a part of each request, then closes the connection.
    let server = actix_web::rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let messages = vec![event(1), set(), increment(), group()];
    let outcomes = deliver(&url, Duration::from_secs(30), messages).await;
    assert_eq!(kinds(&outcomes), ["retry", "retry", "in doubt", "retry"]);
    server.abort();
}

#[actix_web::test]
async fn timeout_ends_wait_for_response() {
    // The kernel accepts the connections; no response is ever sent.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let messages = vec![event(1), increment()];
    let outcomes = deliver(&url, Duration::from_millis(600), messages).await;
    assert_eq!(kinds(&outcomes), ["retry", "in doubt"]);
}

#[actix_web::test]
async fn client_offers_http_2() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    // The first record of a TLS handshake is not encrypted.
    let hello = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).await.unwrap();
        hello
    };
    let (hello, _) = tokio::join!(
        hello,
        deliver(&url, Duration::from_secs(30), vec![event(1)])
    );
    let offers = |protocol: &[u8]| {
        hello
            .windows(protocol.len())
            .any(|window| window == protocol)
    };
    assert!(offers(b"\x02h2\x08http/1.1"), "HTTP/2 is preferred");
}
