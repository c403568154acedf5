//! Opening: locks, siblings, permissions, unreadable files, and failover to memory.

use super::*;

#[tokio::test]
async fn second_process_uses_a_sibling_that_is_taken_over() {
    let folder = Folder::new();
    let first = opened(&folder.file());
    first.append(record("a")).await.unwrap();
    let second = opened(&folder.file());
    assert_eq!(
        second.open_path(),
        Some(folder.0.path().join("outbox.1").as_path())
    );
    second.append(record("b")).await.unwrap();
    drop(second);
    drop(first);
    let third = opened(&folder.file());
    assert_eq!(third.open_path(), Some(folder.file().as_path()));
    // The actor imports one batch of an orphaned file before its first command.
    let mut found = events(&third, 10).await;
    if found.len() < 2 {
        found.extend(events(&third, 10).await);
    }
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn second_process_waits_for_the_file() {
    let folder = Folder::new();
    let first = opened(&folder.file());
    let impatient = File::new(folder.file()).on_locked(OnLocked::Wait(Duration::ZERO));
    assert!(matches!(impatient.try_open(), Err(FileError::Locked(_))));
    let second = File::new(folder.file()).on_locked(OnLocked::Wait(Duration::from_secs(10)));
    thread::scope(|scope| {
        let opening = scope.spawn(|| second.try_open());
        drop(first);
        opening.join().unwrap().unwrap();
    });
    assert_eq!(second.open_path(), Some(folder.file().as_path()));
}

#[cfg(unix)]
#[test]
fn new_file_is_accessible_to_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let first = opened(&folder.file());
    let second = opened(&folder.file());
    assert_eq!(mode(first.open_path().unwrap()), 0o600);
    assert_eq!(
        mode(second.open_path().unwrap()),
        0o600,
        "the sibling is private too"
    );
    let files = fs::read_dir(folder.0.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    assert!(files.into_iter().all(|path| mode(&path) == 0o600));
    drop((first, second));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    drop(opened(&folder.file()));
    assert_eq!(
        mode(&folder.file()),
        0o640,
        "permissions of an existing file are kept"
    );
}

#[test]
fn foreign_file_is_reported_and_left_unchanged() {
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
fn truncated_file_is_reported_as_corrupt() {
    let folder = Folder::new();
    drop(opened(&folder.file()));
    let content = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), &content[..content.len() / 2]).unwrap();
    let error = File::new(folder.file()).try_open().unwrap_err();
    assert!(matches!(error, FileError::Corrupt { .. }), "{error}");
}

#[test]
fn unknown_format_is_reported_with_its_number() {
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
            .contains("has format 7, this version reads 2"),
        "{error}"
    );
}

#[test]
fn unwritable_path_is_reported() {
    let error = File::new("/proc/mengpaneel-outbox").try_open().unwrap_err();
    assert!(
        error.to_string().contains("/proc/mengpaneel-outbox"),
        "{error}"
    );
    let error = File::new("/dev/full").try_open().unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
}

#[test]
fn full_and_read_only_disks_have_their_own_errors() {
    use std::io;
    let error_of = |kind: io::ErrorKind| {
        FileError::from_redb(Path::new("outbox"), redb::Error::Io(io::Error::from(kind)))
    };
    assert!(matches!(
        error_of(io::ErrorKind::StorageFull),
        FileError::DiskFull(_)
    ));
    assert!(matches!(
        error_of(io::ErrorKind::ReadOnlyFilesystem),
        FileError::ReadOnly { .. }
    ));
    assert!(matches!(
        error_of(io::ErrorKind::PermissionDenied),
        FileError::ReadOnly { .. }
    ));
}

#[test]
fn build_fails_on_a_broken_file_without_failover() {
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
async fn failover_memory_is_drained_by_this_process() {
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
