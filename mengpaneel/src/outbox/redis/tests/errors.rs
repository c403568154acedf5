//! Errors: they name the server and the bound, and have no secrets.

use super::*;

#[tokio::test]
async fn errors_name_server_without_password() {
    let address = "127.0.0.1:1";
    let outbox = Redis::new(format!("redis://me:s3cret@{address}/"));
    let unopened = outbox.pending().await.unwrap_err().to_string();
    assert!(unopened.contains(address), "{unopened}");
    outbox.open().unwrap();
    for text in [
        unopened,
        outbox.description(),
        outbox.append(record("a")).await.unwrap_err().reason,
        outbox
            .schedule_fallback(record("a"), Duration::ZERO)
            .await
            .unwrap_err()
            .reason,
        outbox.pending().await.unwrap_err().to_string(),
        outbox.dead_letters(1).await.unwrap_err().to_string(),
        outbox.requeue(1).await.unwrap_err().to_string(),
        outbox
            .acknowledge(&[Lease::new("1-1".to_owned(), record("a"))])
            .await
            .unwrap_err()
            .to_string(),
        outbox
            .claim_fallback(Uuid::nil())
            .await
            .unwrap_err()
            .to_string(),
        outbox
            .finish_fallback(Uuid::nil(), true)
            .await
            .unwrap_err()
            .to_string(),
    ] {
        assert!(text.contains(address) && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn full_outbox_error_names_server_and_bound() {
    let server = TestRedis::start(&[]);
    let outbox = Redis::new(server.url()).max_records(0);
    outbox.open().unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    for reason in [
        outbox.append(record("a")).await.unwrap_err().reason,
        outbox
            .schedule_fallback(record("a"), Duration::ZERO)
            .await
            .unwrap_err()
            .reason,
    ] {
        assert!(
            reason.contains(&address) && reason.contains("maximum of 0"),
            "{reason}"
        );
    }
}

#[test]
fn debug_output_has_no_password() {
    let redis = Redis::new("rediss://me:s3cret@redis.example:7000/0")
        .key("shop")
        .root_certificates("PEM s3cret");
    let shown = format!("{redis:?}");
    assert!(
        shown.contains("redis.example:7000") && shown.contains("shop") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn cluster_error_has_no_password() {
    let outbox = Redis::new("redis+cluster://me:s3cret@127.0.0.1:1/");
    outbox.open().unwrap();
    let reason = outbox.append(record("a")).await.unwrap_err().reason;
    assert!(
        reason.contains("127.0.0.1:1") && !reason.contains("s3cret"),
        "{reason}"
    );
}

#[test]
fn invalid_url_error_has_no_password() {
    let error = Redis::new("http://user:secret@host/").open().unwrap_err();
    assert!(
        error.to_string().contains("host/ is not a valid Redis URL"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}
