//! Flush and shutdown: delivered records, remaining records, and the error.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use mengpaneel::outbox::{File, Outbox, Redis};
use mengpaneel::{Builder, Mengpaneel};
use mengpaneel_tests::{TIMEOUT, event_names};
use stand_in::StandIn;
use tempfile::TempDir;

/// Returns a URL that refuses connections.
fn unreachable_url() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn builder(api_host: &str) -> Builder {
    Mengpaneel::builder("demo").api_host(api_host)
}

/// Adds one event to the outbox, by a handle that outlives its scope.
async fn record(mengpaneel: &Mengpaneel, event: &str) {
    let mixpanel = mengpaneel.scope(async { mengpaneel::current() }).await;
    mixpanel.track(event, ());
}

async fn shutdown_leaves_records_to_a_worker(outbox: impl Outbox, same_outbox: impl Outbox) {
    let mengpaneel = builder(&unreachable_url())
        .outbox(outbox)
        .concurrency(0)
        .build()
        .unwrap();
    record(&mengpaneel, "pending").await;
    let started = Instant::now();
    mengpaneel.flush(TIMEOUT).await.unwrap();
    mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert!(
        started.elapsed() < TIMEOUT / 2,
        "shutdown waited for a worker"
    );
    drop(mengpaneel);

    let stand_in = StandIn::start();
    let worker = builder(&stand_in.url())
        .outbox(same_outbox)
        .build()
        .unwrap();
    worker.flush(TIMEOUT).await.unwrap();
    assert_eq!(event_names(&stand_in.counted()), ["pending"]);
}

#[tokio::test]
async fn shutdown_succeeds_if_others_drain_redis() {
    let redis = mengpaneel_tests::TestRedis::start();
    shutdown_leaves_records_to_a_worker(Redis::new(redis.url()), Redis::new(redis.url())).await;
}

#[tokio::test]
async fn shutdown_succeeds_if_others_drain_file() {
    let folder = TempDir::new().unwrap();
    let [first, second] = [(); 2].map(|()| File::new(folder.path().join("outbox")));
    shutdown_leaves_records_to_a_worker(first, second).await;
}

#[tokio::test]
async fn flush_ends_when_another_process_drains_redis() {
    let (redis, stand_in) = (mengpaneel_tests::TestRedis::start(), StandIn::start());
    let web = builder(&unreachable_url())
        .outbox(Redis::new(redis.url()))
        .build()
        .unwrap();
    record(&web, "shared").await;
    let worker = builder(&stand_in.url())
        .outbox(Redis::new(redis.url()).claim_after(Duration::from_millis(200)));
    let worker = worker.build().unwrap();
    let (flushed, arrived) = tokio::join!(
        web.flush(TIMEOUT),
        stand_in.wait_for_event(TIMEOUT, "shared")
    );
    assert_eq!((flushed, arrived.is_ok()), (Ok(()), true));
    drop(worker);
}

#[tokio::test]
async fn shutdown_waits_until_timeout_and_names_last_error() {
    let url = unreachable_url();
    let mengpaneel = builder(&url).build().unwrap();
    record(&mengpaneel, "lost").await;
    let started = Instant::now();
    let error = mengpaneel
        .shutdown(Duration::from_secs(3))
        .await
        .unwrap_err();
    let elapsed = started.elapsed();
    assert!(
        (Duration::from_millis(2_400)..Duration::from_secs(20)).contains(&elapsed),
        "{elapsed:?}"
    );
    assert_eq!((error.pending(), error.is_lost()), (1, true));
    let text = error.to_string();
    assert!(
        text.contains("the outbox in memory") && text.contains(&format!("{url}/import: ")),
        "{text}"
    );
    assert!(text.to_lowercase().contains("refused"), "{text}");
}

#[tokio::test]
async fn shutdown_delivers_if_host_recovers_in_time() {
    let stand_in = StandIn::start();
    stand_in.stop();
    let mengpaneel = builder(&stand_in.url()).build().unwrap();
    record(&mengpaneel, "late").await;
    let recover = async {
        // Wait until the worker has failed once.
        while mengpaneel.health().await.is_healthy() {
            tokio::task::yield_now().await;
        }
        stand_in.start_again().unwrap();
    };
    let (result, ()) = tokio::join!(mengpaneel.shutdown(Duration::from_secs(8)), recover);
    assert_eq!(result, Ok(()));
    assert_eq!(event_names(&stand_in.counted()), ["late"]);
}

#[tokio::test]
async fn shutdown_error_names_file_with_remaining_records() {
    let (folder, url) = (TempDir::new().unwrap(), unreachable_url());
    let path = folder.path().join("outbox");
    let mengpaneel = builder(&url).outbox(File::new(&path)).build().unwrap();
    record(&mengpaneel, "kept").await;
    let error = mengpaneel
        .shutdown(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!((error.pending(), error.is_lost()), (1, false));
    let text = error.to_string();
    let file = format!(
        "they stay in the file {}, and the next process that drains it delivers them",
        path.display()
    );
    assert!(text.contains(&file) && text.contains(&url), "{text}");
    drop(mengpaneel);

    let stand_in = StandIn::start();
    let next = builder(&stand_in.url())
        .outbox(File::new(&path))
        .build()
        .unwrap();
    next.flush(TIMEOUT).await.unwrap();
    assert_eq!(
        event_names(&stand_in.counted()),
        ["kept"],
        "the next process delivers it"
    );
}

#[tokio::test]
async fn shutdown_error_names_redis_without_password() {
    let address = unreachable_url().replace("http://", "");
    let mengpaneel = builder(&unreachable_url())
        .outbox(Redis::new(format!("redis://me:s3cret@{address}/")))
        .build()
        .unwrap();
    for error in [
        mengpaneel
            .flush(Duration::from_millis(100))
            .await
            .unwrap_err(),
        mengpaneel
            .shutdown(Duration::from_millis(100))
            .await
            .unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.contains(&format!("Redis at {address} could not be queried")),
            "{text}"
        );
        assert!(
            text.to_lowercase().contains("refused") && !text.contains("s3cret"),
            "{text}"
        );
        assert!(!error.is_lost());
    }
}
