//! Choice and lock of the file: the configured path, or a sibling while another process has that
//! file open.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redb::Database;

use crate::outbox::file::error::{FileError, catch_panic};
use crate::outbox::file::tables::{FORMAT, ensure_format, transact};

/// Maximum number of processes that can have a file each at once.
const MAX_SIBLINGS: usize = 16;

/// Size of redb's page cache in bytes.
const CACHE_BYTES: usize = 32 << 20;

/// Interval between two attempts to open a locked file.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Behavior of a process if another one has the file open, as in a rolling restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLocked {
    /// Uses the same path with the suffix `.1` (or `.2` …) and logs a warning. Once no process has
    /// such a file open, a process with another of these files takes over its records.
    #[default]
    UseSibling,
    /// Waits for the file for up to this time, then fails.
    Wait(Duration),
}

/// Returns the configured path, and the paths of its siblings: `.1`, `.2` and so on.
pub(crate) fn sibling_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    let path = path.to_owned();
    (0..MAX_SIBLINGS).map(move |number| {
        if number == 0 {
            return path.clone();
        }
        let mut sibling = OsString::from(&path);
        sibling.push(format!(".{number}"));
        PathBuf::from(sibling)
    })
}

/// Opens the file, or another one if it is locked. Logs a warning if other users may open it.
pub(crate) fn open_any(path: &Path, on_locked: OnLocked) -> Result<(PathBuf, Database), FileError> {
    let opened = open_unlocked(path, on_locked)?;
    if let Some(mode) = shared_mode(&opened.0) {
        tracing::warn!(
            target: "mengpaneel",
            path = %opened.0.display(),
            mode = format_args!("{mode:o}"),
            "other users may open the outbox file, which holds data about visitors; unless that is intended, run `chmod 600`"
        );
    }
    Ok(opened)
}

fn open_unlocked(path: &Path, on_locked: OnLocked) -> Result<(PathBuf, Database), FileError> {
    match on_locked {
        OnLocked::Wait(timeout) => {
            let until = Instant::now() + timeout;
            loop {
                match open(path) {
                    Err(FileError::Locked(_)) if Instant::now() < until => {
                        thread::sleep(POLL_INTERVAL);
                    }
                    opened => return opened.map(|database| (path.to_owned(), database)),
                }
            }
        }
        OnLocked::UseSibling => {
            for candidate in sibling_paths(path) {
                match open(&candidate) {
                    Err(FileError::Locked(_)) => {}
                    opened => {
                        if opened.is_ok() && candidate != path {
                            tracing::warn!(
                                target: "mengpaneel",
                                path = %path.display(),
                                used = %candidate.display(),
                                "the outbox file is open in another process; its sibling is used"
                            );
                        }
                        return opened.map(|database| (candidate, database));
                    }
                }
            }
            Err(FileError::Locked(path.to_owned()))
        }
    }
}

/// Opens a file, which is created if it is missing. Fails for a file of another format.
pub(crate) fn open(path: &Path) -> Result<Database, FileError> {
    let (database, found) = catch_panic(path, || {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_file(open_private(path)?)?;
        let (format, _) = transact(&database, ensure_format)?;
        Ok((database, format))
    })?;
    if found == FORMAT {
        return Ok(database);
    }
    let path = path.to_owned();
    Err(FileError::Format { path, found })
}

/// Opens a file to read and write. A new file is accessible to its owner only, whatever the umask:
/// it holds data about visitors.
fn open_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Returns the mode of a file that other users may open; `None` if only its owner may.
#[cfg(unix)]
fn shared_mode(path: &Path) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().ok()?) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn shared_mode(_: &Path) -> Option<u32> {
    None
}

/// Opens an existing file to take over its records; `None` if another process has the file open, or
/// the file is unreadable.
pub(crate) fn open_orphaned(path: &Path) -> Option<Database> {
    match open(path) {
        Ok(database) => Some(database),
        Err(FileError::Locked(_)) => None,
        Err(error) => {
            tracing::error!(target: "mengpaneel", %error, "an orphaned outbox file cannot be opened; its records stay there");
            None
        }
    }
}
