use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::outbox::conformance;
use crate::record::visitor::Visitor;

/// A folder of its own, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("mengpaneel-{}", Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("outbox")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn parcel(event: &str) -> Envelope {
    let call = Call::new(Method::Track, vec![json!(event)]);
    Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

fn opened(path: &Path) -> File {
    let file = File::new(path);
    file.try_open().unwrap();
    file
}

async fn events(outbox: &File, limit: usize) -> Vec<String> {
    let leases = outbox.lease(limit).await.unwrap();
    leases
        .iter()
        .filter_map(|lease| lease.envelope.calls.tracking[0].str_arg(0))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn it_holds_what_every_outbox_must() {
    let folder = Folder::new();
    let number = AtomicUsize::new(0);
    let make = || {
        File::new(
            folder
                .0
                .join(format!("outbox-{}", number.fetch_add(1, Ordering::Relaxed))),
        )
    };
    conformance::check(make).await;
}

#[tokio::test]
async fn it_holds_what_every_durable_outbox_must() {
    let folder = Folder::new();
    conformance::check_durable(|| File::new(folder.file())).await;
}

#[tokio::test]
async fn it_keeps_copies_aside_within_its_bounds() {
    let folder = Folder::new();
    let outbox = File::new(folder.file()).max_records(1);
    outbox.try_open().unwrap();
    let late = Duration::from_secs(600);
    outbox.schedule_fallback(parcel("a"), late).await.unwrap();
    let declined = outbox
        .schedule_fallback(parcel("b"), late)
        .await
        .unwrap_err();
    assert!(
        declined
            .reason
            .contains("1 copies are kept aside in the file, its bound"),
        "{}",
        declined.reason
    );
}

#[tokio::test]
async fn past_its_bounds_it_hands_the_parcel_back() {
    let folder = Folder::new();
    let outbox = File::new(folder.file()).max_records(1);
    outbox.try_open().unwrap();
    outbox.append(parcel("a")).await.unwrap();
    let declined = outbox.append(parcel("b")).await.unwrap_err();
    assert!(declined.reason.contains("its bound"), "{}", declined.reason);
    assert_eq!(declined.envelope.calls.tracking[0].str_arg(0), Some("b"));
    drop(outbox);

    let small = File::new(folder.file()).max_bytes(40);
    small.try_open().unwrap();
    assert!(
        small
            .append(parcel("a"))
            .await
            .unwrap_err()
            .reason
            .contains("bytes")
    );
}

#[tokio::test]
async fn a_parcel_that_is_appended_twice_is_kept_once() {
    let folder = Folder::new();
    let outbox = opened(&folder.file());
    let parcel = parcel("a");
    outbox.append(parcel.clone()).await.unwrap();
    outbox.append(parcel).await.unwrap();
    assert_eq!(outbox.pending().await, Ok(1));
}

#[tokio::test]
async fn a_second_process_takes_another_name_and_what_the_first_leaves_is_taken_over() {
    let folder = Folder::new();
    let first = opened(&folder.file());
    first.append(parcel("a")).await.unwrap();
    let second = opened(&folder.file());
    assert_eq!(
        second.open_path(),
        Some(folder.0.join("outbox.1").as_path())
    );
    second.append(parcel("b")).await.unwrap();
    drop(second);
    drop(first);
    let third = opened(&folder.file());
    assert_eq!(third.open_path(), Some(folder.file().as_path()));
    // Asked once the files beside it were looked at: that comes before the first order.
    let mut found = events(&third, 10).await;
    if found.len() < 2 {
        found.extend(events(&third, 10).await);
    }
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn a_second_process_can_wait_for_the_file() {
    let folder = Folder::new();
    let first = opened(&folder.file());
    let impatient = File::new(folder.file()).on_locked(OnLocked::Wait(Duration::ZERO));
    assert!(matches!(impatient.try_open(), Err(FileError::Locked(_))));
    let second = File::new(folder.file()).on_locked(OnLocked::Wait(Duration::from_secs(10)));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| second.try_open());
        drop(first);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(second.open_path(), Some(folder.file().as_path()));
}

#[cfg(unix)]
#[test]
fn a_file_that_is_made_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let first = opened(&folder.file());
    let second = opened(&folder.file());
    assert_eq!(mode(first.open_path().unwrap()), 0o600);
    assert_eq!(
        mode(second.open_path().unwrap()),
        0o600,
        "the one beside it too"
    );
    let files = fs::read_dir(&folder.0)
        .unwrap()
        .map(|file| file.unwrap().path());
    assert!(files.into_iter().all(|path| mode(&path) == 0o600));
    drop((first, second));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    drop(opened(&folder.file()));
    assert_eq!(
        mode(&folder.file()),
        0o640,
        "rights that somebody gave are theirs to take"
    );
}

#[test]
fn what_is_no_outbox_is_told_and_left_as_it_is() {
    let folder = Folder::new();
    for content in [
        b"not an outbox at all".to_vec(),
        vec![0; 4096],
        vec![0x72; 100_000],
    ] {
        fs::write(folder.file(), &content).unwrap();
        let error = File::new(folder.file()).try_open().unwrap_err();
        assert!(matches!(error, FileError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(folder.file()).unwrap(), content);
    }
}

#[test]
fn a_file_that_was_cut_off_is_told() {
    let folder = Folder::new();
    drop(opened(&folder.file()));
    let whole = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), &whole[..whole.len() / 2]).unwrap();
    let error = File::new(folder.file()).try_open().unwrap_err();
    assert!(matches!(error, FileError::Corrupt { .. }), "{error}");
}

#[test]
fn another_format_is_told_by_its_number() {
    let folder = Folder::new();
    let database = redb::Database::create(folder.file()).unwrap();
    let transaction = database.begin_write().unwrap();
    let numbers = redb::TableDefinition::<&str, u64>::new("numbers");
    transaction
        .open_table(numbers)
        .unwrap()
        .insert("format", 7)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = File::new(folder.file()).try_open().unwrap_err();
    assert!(
        matches!(error, FileError::Format { found: 7, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("has format 7, this version reads 1"),
        "{error}"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let error = File::new("/proc/mengpaneel-outbox").try_open().unwrap_err();
    assert!(
        error.to_string().contains("/proc/mengpaneel-outbox"),
        "{error}"
    );
    let error = File::new("/dev/full").try_open().unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told_by_name() {
    use std::io;
    let of = |kind: io::ErrorKind| {
        FileError::of(Path::new("outbox"), redb::Error::Io(io::Error::from(kind)))
    };
    assert!(matches!(
        of(io::ErrorKind::StorageFull),
        FileError::DiskFull(_)
    ));
    assert!(matches!(
        of(io::ErrorKind::ReadOnlyFilesystem),
        FileError::ReadOnly { .. }
    ));
    assert!(matches!(
        of(io::ErrorKind::PermissionDenied),
        FileError::ReadOnly { .. }
    ));
}

#[test]
fn a_mengpaneel_is_not_built_on_a_broken_file_unless_memory_may_take_over() {
    let folder = Folder::new();
    fs::write(folder.file(), "not an outbox").unwrap();
    let builder = || crate::mengpaneel::Mengpaneel::builder("t").outbox(File::new(folder.file()));
    let error = builder().build().unwrap_err();
    assert!(
        matches!(&error, crate::config::BuildError::Outbox(_)),
        "{error}"
    );
    assert!(builder().failover_to_memory().build().is_ok());
}

#[tokio::test]
async fn memory_that_took_over_is_drained_by_this_process() {
    let (folder, stand_in) = (Folder::new(), stand_in::StandIn::start());
    fs::write(folder.file(), "not an outbox").unwrap();
    let builder = crate::mengpaneel::Mengpaneel::builder("t")
        .api_host(stand_in.url())
        .outbox(File::new(folder.file()));
    let mengpaneel = builder.failover_to_memory().concurrency(0).build().unwrap();
    let mixpanel = mengpaneel
        .scope(async { crate::record::current::current() })
        .await;
    mixpanel.track("a", ());
    mengpaneel.shutdown(Duration::from_secs(30)).await.unwrap();
    assert_eq!(stand_in.counted_as("a").len(), 1);
}

#[tokio::test]
async fn dead_letters_are_put_back_within_the_bounds() {
    let folder = Folder::new();
    let outbox = File::new(folder.file()).max_records(1);
    outbox.try_open().unwrap();
    for event in ["a", "b"] {
        outbox.append(parcel(event)).await.unwrap();
        outbox
            .dead_letter(outbox.lease(1).await.unwrap())
            .await
            .unwrap();
    }
    assert_eq!(outbox.requeue(10).await, Ok(1), "there is room for one");
    assert_eq!(events(&outbox, 10).await, ["a"]);
    assert_eq!(outbox.dead_letters(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn dead_letters_of_a_file_that_was_left_are_taken_over() {
    let folder = Folder::new();
    let (first, second) = (opened(&folder.file()), opened(&folder.file()));
    second.append(parcel("a")).await.unwrap();
    second
        .dead_letter(second.lease(1).await.unwrap())
        .await
        .unwrap();
    drop((first, second));
    let third = opened(&folder.file());
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while third.requeue(10).await != Ok(1) {
        assert!(std::time::Instant::now() < until, "it was not taken over");
        tokio::task::yield_now().await;
    }
    assert_eq!(events(&third, 10).await, ["a"]);
}

#[tokio::test]
async fn each_refusal_names_the_file() {
    let folder = Folder::new();
    let path = folder.file().display().to_string();
    let closed = File::new(folder.file());
    let unopened = closed.append(parcel("a")).await.unwrap_err().reason;
    assert!(
        unopened.contains(&path)
            && closed
                .pending()
                .await
                .unwrap_err()
                .to_string()
                .contains(&path),
        "{unopened}"
    );
    let full = File::new(folder.file()).max_records(0);
    full.try_open().unwrap();
    for reason in [
        full.append(parcel("a")).await.unwrap_err().reason,
        full.schedule_fallback(parcel("a"), Duration::ZERO)
            .await
            .unwrap_err()
            .reason,
    ] {
        assert!(
            reason.starts_with(&path) && reason.contains("its bound"),
            "{reason}"
        );
    }
    assert_eq!(full.description(), format!("the file {path}"));
}

#[tokio::test]
async fn ten_thousand_retries_that_are_due_at_once_do_not_stop_it() {
    let folder = Folder::new();
    let outbox = opened(&folder.file());
    for number in 0..10 {
        let appends = (0..1_000).map(|more| outbox.append(parcel(&format!("{number} {more}"))));
        assert!(
            futures_util::future::join_all(appends)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    let leases = outbox.lease(10_000).await.unwrap();
    outbox
        .retry_later(leases, Duration::from_millis(1))
        .await
        .unwrap();
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 10_000 {
        let leases = outbox.lease(10_000).await.unwrap();
        assert!(
            leases.iter().all(|lease| seen.insert(lease.envelope.id)),
            "each once"
        );
        outbox
            .acknowledge(leases.into_iter().map(|lease| lease.id).collect())
            .await
            .unwrap();
    }
    assert_eq!(outbox.pending().await, Ok(0));
}
