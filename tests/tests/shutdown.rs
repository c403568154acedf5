//! The end of a process: what is delivered till then, what stays, and the error.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mengpaneel::outbox::{File, Outbox, Redis};
use mengpaneel::{Builder, Mengpaneel};
use mengpaneel_tests::{TIMEOUT, event_names};
use stand_in::StandIn;

/// A file of its own, gone when it is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("mengpaneel-shutdown-{}", uuid::Uuid::new_v4())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A URL at which nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn builder(api_host: &str) -> Builder {
    Mengpaneel::builder("demo").api_host(api_host)
}

/// Leaves one event in the outbox, as a handle does that outlives its scope.
async fn record(mengpaneel: &Mengpaneel, event: &str) {
    let mixpanel = mengpaneel.scope(async { mengpaneel::current() }).await;
    mixpanel.track(event, ());
}

async fn shutdown_leaves_records_to_a_worker(outbox: impl Outbox, again: impl Outbox) {
    let mengpaneel = builder(&nowhere())
        .outbox(outbox)
        .concurrency(0)
        .build()
        .unwrap();
    record(&mengpaneel, "left").await;
    let begun = Instant::now();
    mengpaneel.flush(TIMEOUT).await.unwrap();
    mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert!(begun.elapsed() < TIMEOUT / 2, "it waits for no worker");
    drop(mengpaneel);

    let stand_in = StandIn::start();
    let worker = builder(&stand_in.url()).outbox(again).build().unwrap();
    worker.flush(TIMEOUT).await.unwrap();
    assert_eq!(event_names(&stand_in.counted()), ["left"]);
}

#[tokio::test]
async fn shutdown_succeeds_where_others_drain_a_redis() {
    let redis = mengpaneel_tests::TestRedis::start();
    shutdown_leaves_records_to_a_worker(Redis::at(redis.url()), Redis::at(redis.url())).await;
}

#[tokio::test]
async fn shutdown_succeeds_where_others_drain_a_file() {
    let place = Place::new();
    shutdown_leaves_records_to_a_worker(File::at(&place.0), File::at(&place.0)).await;
}

#[tokio::test]
async fn flush_ends_when_another_process_drains_the_redis() {
    let (redis, stand_in) = (mengpaneel_tests::TestRedis::start(), StandIn::start());
    let web = builder(&nowhere())
        .outbox(Redis::at(redis.url()))
        .build()
        .unwrap();
    record(&web, "shared").await;
    let worker = builder(&stand_in.url())
        .outbox(Redis::at(redis.url()).claim_after(Duration::from_millis(200)));
    let worker = worker.build().unwrap();
    let (flushed, arrived) = tokio::join!(
        web.flush(TIMEOUT),
        stand_in.wait_for_event(TIMEOUT, "shared")
    );
    assert_eq!((flushed, arrived.is_ok()), (Ok(()), true));
    drop(worker);
}

#[tokio::test]
async fn shutdown_uses_its_time_and_names_the_last_error() {
    let url = nowhere();
    let mengpaneel = builder(&url).build().unwrap();
    record(&mengpaneel, "lost").await;
    let begun = Instant::now();
    let error = mengpaneel
        .shutdown(Duration::from_secs(3))
        .await
        .unwrap_err();
    let took = begun.elapsed();
    assert!(
        (Duration::from_millis(2_400)..Duration::from_secs(20)).contains(&took),
        "{took:?}"
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
async fn shutdown_delivers_to_a_host_that_comes_back_in_time() {
    let stand_in = StandIn::start();
    stand_in.stop();
    let mengpaneel = builder(&stand_in.url()).build().unwrap();
    record(&mengpaneel, "late").await;
    let comes_back = async {
        // Not before the worker has been turned away.
        while mengpaneel.health().await.is_well() {
            tokio::task::yield_now().await;
        }
        stand_in.start_again().unwrap();
    };
    let (down, ()) = tokio::join!(mengpaneel.shutdown(Duration::from_secs(8)), comes_back);
    assert_eq!(down, Ok(()));
    assert_eq!(event_names(&stand_in.counted()), ["late"]);
}

#[tokio::test]
async fn shutdown_says_that_records_stay_in_the_file() {
    let (place, url) = (Place::new(), nowhere());
    let mengpaneel = builder(&url).outbox(File::at(&place.0)).build().unwrap();
    record(&mengpaneel, "kept").await;
    let error = mengpaneel
        .shutdown(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!((error.pending(), error.is_lost()), (1, false));
    let text = error.to_string();
    let file = format!(
        "they stay in the file {} and are delivered by the next process",
        place.0.display()
    );
    assert!(text.contains(&file) && text.contains(&url), "{text}");
    drop(mengpaneel);

    let stand_in = StandIn::start();
    let next = builder(&stand_in.url())
        .outbox(File::at(&place.0))
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
async fn shutdown_names_a_redis_that_is_away_without_its_password() {
    let address = nowhere().replace("http://", "");
    let mengpaneel = builder(&nowhere())
        .outbox(Redis::at(format!("redis://me:s3cret@{address}/")))
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
            text.contains(&format!("Redis at {address} could not be asked")),
            "{text}"
        );
        assert!(
            text.to_lowercase().contains("refused") && !text.contains("s3cret"),
            "{text}"
        );
        assert!(!error.is_lost());
    }
}
