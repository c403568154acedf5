//! Outboxes that wrap another one, written against the public API only.

mod encrypted;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mengpaneel::outbox::{File, Memory, Outbox, Redis, conformance};
use mengpaneel_tests::{
    Metered, TIMEOUT, TestApp, TestClient, TestRedis, event_names, event_route,
};
use tempfile::TempDir;

use crate::encrypted::Encrypted;

const KEY: [u8; 32] = [7; 32];

/// Text of an event that is plain in an outbox without encryption.
const SECRET: &str = "Confidential Event";

/// Temporary folder of outbox files, removed on drop.
struct Folder {
    directory: TempDir,
    file_count: AtomicUsize,
}

impl Folder {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            file_count: AtomicUsize::new(0),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Creates an outbox in a new file.
    fn new_file(&self) -> File {
        let number = self.file_count.fetch_add(1, Ordering::Relaxed);
        File::new(self.path().join(number.to_string()))
    }

    /// Returns whether any file contains this text.
    fn contains(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.path()).unwrap();
        files.map(|file| file.unwrap().path()).any(|file| {
            let bytes = std::fs::read(file).unwrap();
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    }
}

/// Asserts that the events of an application with this outbox arrive, also after a failed delivery.
async fn assert_events_arrive(outbox: impl Outbox) {
    let app = TestApp::build(event_route, |builder| builder.outbox(outbox));
    let mut client = TestClient::machine(&app.url);
    app.stand_in.fail_next(1, 503);
    for event in ["first", "second"] {
        client.get(&format!("/event/{event}")).send().await;
        app.stand_in.wait_for_event(TIMEOUT, event).await.unwrap();
    }
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["first", "second"]);
}

async fn assert_metered(inner: impl Outbox) {
    let outbox = Arc::new(Metered::new(inner));
    assert_events_arrive(Arc::clone(&outbox)).await;
    assert_eq!(outbox.appended(), 2);
    assert_eq!(outbox.leased(), 3, "one record is leased again");
}

#[tokio::test]
async fn metered_outbox_counts_appends_and_leases() {
    let (redis, folder) = (TestRedis::start(), Folder::new());
    tokio::join!(
        assert_metered(Memory::default()),
        assert_metered(folder.new_file()),
        assert_metered(Redis::new(redis.url())),
    );
}

#[tokio::test]
async fn encrypted_outbox_delivers_events() {
    let (redis, folder) = (TestRedis::start(), Folder::new());
    tokio::join!(
        assert_events_arrive(Encrypted::new(Memory::default(), KEY)),
        assert_events_arrive(Encrypted::new(folder.new_file(), KEY)),
        assert_events_arrive(Encrypted::new(Redis::new(redis.url()), KEY)),
    );
}

#[tokio::test]
async fn metered_outbox_passes_the_conformance_suite() {
    let folder = Folder::new();
    conformance::check(|| Metered::new(Memory::default())).await;
    conformance::check(|| Metered::new(folder.new_file())).await;
    conformance::check_durable(|| Metered::new(File::new(folder.path().join("durable")))).await;
}

#[tokio::test]
async fn encrypted_outbox_passes_the_conformance_suite() {
    let folder = Folder::new();
    conformance::check(|| Encrypted::new(Memory::default(), KEY)).await;
    conformance::check(|| Encrypted::new(folder.new_file(), KEY)).await;
    conformance::check_durable(|| Encrypted::new(File::new(folder.path().join("durable")), KEY))
        .await;
}

#[tokio::test]
async fn encrypted_redis_passes_the_conformance_suite() {
    let server = TestRedis::start();
    let number = AtomicUsize::new(0);
    conformance::check(|| {
        let key = format!("outbox-{}", number.fetch_add(1, Ordering::Relaxed));
        Encrypted::new(Redis::new(server.url()).key(key), KEY)
    })
    .await;
    conformance::check_durable(|| {
        let redis = Redis::new(server.url()).claim_after(Duration::from_millis(500));
        Encrypted::new(redis, KEY)
    })
    .await;
}

/// Tracks an event that stays in the outbox, after a failed delivery.
async fn leave_secret(outbox: impl Outbox) {
    let app = TestApp::build(event_route, |builder| builder.outbox(outbox));
    app.stand_in.fail_with(503);
    let mut client = TestClient::machine(&app.url);
    client.get(&format!("/event/{SECRET}")).send().await;
    let tried = app.stand_in.wait_for(TIMEOUT, |store| {
        (!store.requests().is_empty()).then_some(())
    });
    tried.await.unwrap();
    let remaining = app.mengpaneel.shutdown(Duration::ZERO).await.unwrap_err();
    assert_eq!(remaining.pending(), 1);
}

#[tokio::test]
async fn encrypted_file_contains_no_plain_text() {
    let folder = Folder::new();
    leave_secret(folder.new_file()).await;
    assert!(folder.contains(SECRET), "plain without encryption");
    let folder = Folder::new();
    let path = folder.path().join("outbox");
    leave_secret(Encrypted::new(File::new(&path), KEY)).await;
    assert!(!folder.contains(SECRET));

    let (send, failures) = std::sync::mpsc::channel();
    let wrong_key = TestApp::build(event_route, |builder| {
        builder
            .outbox(Encrypted::new(File::new(&path), [8; 32]))
            .on_error(move |failure| drop(send.send(failure.to_string())))
    });
    assert!(wrong_key.flush_and_collect().await.is_empty());
    let failure = failures.try_recv().unwrap();
    assert!(failure.contains("the record is damaged"), "{failure}");
    drop(wrong_key);
    let outbox = Encrypted::new(File::new(&path), KEY);
    outbox.open().unwrap();
    let requeued = outbox.consumer().unwrap().requeue(10).await;
    assert_eq!(
        requeued,
        Ok(1),
        "a record that cannot be decoded is a dead letter"
    );
    let app = TestApp::build(event_route, |builder| builder.outbox(outbox));
    assert_eq!(event_names(&app.flush_and_collect().await), [SECRET]);
}
