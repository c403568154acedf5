mod opening;

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::outbox::conformance;
use crate::outbox::conformance::fixtures;
use crate::outbox::conformance::fixtures::record;

/// Temporary folder, removed on drop.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("outbox")
    }
}

fn opened(path: &Path) -> File {
    let file = File::new(path);
    file.try_open().unwrap();
    file
}

async fn events(outbox: &File, limit: usize) -> Vec<String> {
    fixtures::events(&outbox.lease(limit).await.unwrap())
}

#[tokio::test]
async fn conformance_suite_passes() {
    let folder = Folder::new();
    let number = AtomicUsize::new(0);
    let make = || {
        File::new(
            folder
                .0
                .path()
                .join(format!("outbox-{}", number.fetch_add(1, Ordering::Relaxed))),
        )
    };
    conformance::check(make).await;
}

#[tokio::test]
async fn durable_conformance_suite_passes() {
    let folder = Folder::new();
    conformance::check_durable(|| File::new(folder.file())).await;
}

#[tokio::test]
async fn dropped_lease_request_promotes_no_copy() {
    let folder = Folder::new();
    let file = File::new(folder.file());
    let (path, database) = lock::open_any(&file.path, file.on_locked).unwrap();
    let store = Store::new(path.clone(), database, file.bounds).unwrap();
    let (commands, receiver) = mpsc::channel();
    let due_copy = Mutation::StoreFallback(0, record("a"));
    let (stored, _) = oneshot::channel();
    commands.send(Command::Write(due_copy, stored)).unwrap();
    let (leased, _) = oneshot::channel();
    commands.send(Command::Lease(1, leased)).unwrap();
    drop(commands);
    FileActor::new(store, path.clone(), receiver).run();
    assert_eq!(opened(&path).pending().await.unwrap(), 0);
}

#[tokio::test]
async fn fallback_copies_have_a_bound() {
    let folder = Folder::new();
    let outbox = File::new(folder.file()).max_records(1);
    outbox.try_open().unwrap();
    let late = Duration::from_secs(600);
    outbox.schedule_fallback(record("a"), late).await.unwrap();
    let error = outbox
        .schedule_fallback(record("b"), late)
        .await
        .unwrap_err();
    assert!(
        error
            .reason
            .contains("1 fallback copies are in the file, the limit (`max_records`)"),
        "{}",
        error.reason
    );
}

#[tokio::test]
async fn full_outbox_returns_the_record() {
    let folder = Folder::new();
    let outbox = File::new(folder.file()).max_records(1);
    outbox.try_open().unwrap();
    outbox.append(record("a")).await.unwrap();
    let error = outbox.append(record("b")).await.unwrap_err();
    assert!(
        error.reason.contains("the limit (`max_records`)"),
        "{}",
        error.reason
    );
    assert_eq!(fixtures::event(&error.record).as_deref(), Some("b"));
    drop(outbox);

    let small = File::new(folder.file()).max_bytes(40);
    small.try_open().unwrap();
    assert!(
        small
            .append(record("a"))
            .await
            .unwrap_err()
            .reason
            .contains("bytes")
    );
}

#[tokio::test]
async fn record_appended_twice_is_stored_once() {
    let folder = Folder::new();
    let outbox = opened(&folder.file());
    let record = record("a");
    outbox.append(record.clone()).await.unwrap();
    outbox.append(record).await.unwrap();
    assert_eq!(outbox.pending().await, Ok(1));
}

#[tokio::test]
async fn dead_letters_are_requeued_within_the_bounds() {
    let folder = Folder::new();
    let outbox = File::new(folder.file()).max_records(1);
    outbox.try_open().unwrap();
    for event in ["a", "b"] {
        outbox.append(record(event)).await.unwrap();
        outbox
            .dead_letter(&outbox.lease(1).await.unwrap())
            .await
            .unwrap();
    }
    assert_eq!(outbox.requeue(10).await, Ok(1), "there is room for one");
    assert_eq!(events(&outbox, 10).await, ["a"]);
    assert_eq!(outbox.dead_letters(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn dead_letters_of_an_orphaned_file_are_taken_over() {
    let folder = Folder::new();
    let (first, second) = (opened(&folder.file()), opened(&folder.file()));
    second.append(record("a")).await.unwrap();
    second
        .dead_letter(&second.lease(1).await.unwrap())
        .await
        .unwrap();
    drop((first, second));
    let third = opened(&folder.file());
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while third.requeue(10).await != Ok(1) {
        assert!(
            std::time::Instant::now() < until,
            "the dead letter was not taken over"
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(events(&third, 10).await, ["a"]);
}

#[tokio::test]
async fn refusals_name_the_file() {
    let folder = Folder::new();
    let path = folder.file().display().to_string();
    let closed = File::new(folder.file());
    let reason = closed.append(record("a")).await.unwrap_err().reason;
    assert!(
        reason.contains(&path)
            && closed
                .pending()
                .await
                .unwrap_err()
                .to_string()
                .contains(&path),
        "{reason}"
    );
    let full = File::new(folder.file()).max_records(0);
    full.try_open().unwrap();
    for reason in [
        full.append(record("a")).await.unwrap_err().reason,
        full.schedule_fallback(record("a"), Duration::ZERO)
            .await
            .unwrap_err()
            .reason,
    ] {
        assert!(
            reason.starts_with(&path) && reason.contains("the limit (`max_records`)"),
            "{reason}"
        );
    }
    assert_eq!(full.description(), format!("the file {path}"));
}

#[tokio::test]
async fn ten_thousand_retries_due_at_once_are_leased() {
    let folder = Folder::new();
    let outbox = opened(&folder.file());
    for batch in 0..10 {
        let appends = (0..1_000).map(|index| outbox.append(record(&format!("{batch} {index}"))));
        assert!(
            futures_util::future::join_all(appends)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    let leases = outbox.lease(10_000).await.unwrap();
    outbox
        .retry_later(&leases, Duration::from_millis(1))
        .await
        .unwrap();
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 10_000 {
        let leases = outbox.lease(10_000).await.unwrap();
        assert!(
            leases.iter().all(|lease| seen.insert(lease.record.id())),
            "a record was leased twice"
        );
        outbox.acknowledge(&leases).await.unwrap();
    }
    assert_eq!(outbox.pending().await, Ok(0));
}

#[tokio::test]
async fn damaged_orphaned_file_does_not_pause_appends() {
    let folder = Folder::new();
    let (first, second) = (opened(&folder.file()), opened(&folder.file()));
    second.append(record("a")).await.unwrap();
    let sibling = second.open_path().unwrap().to_owned();
    drop((first, second));
    let database = redb::Database::open(&sibling).unwrap();
    let transaction = database.begin_write().unwrap();
    let copies = redb::TableDefinition::<u128, (u64, &[u8])>::new("aside");
    transaction.delete_table(copies).unwrap();
    let others = redb::TableDefinition::<u64, u64>::new("aside");
    transaction.open_table(others).unwrap();
    transaction.commit().unwrap();
    drop(database);
    drop(lock::open(&sibling).unwrap());
    let third = opened(&folder.file());
    third.append(record("b")).await.unwrap();
    assert_eq!(events(&third, 10).await, ["b"]);
}
