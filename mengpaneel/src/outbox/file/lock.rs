//! Where the file is: the name that was given, or one beside it while another process has that.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redb::Database;

use crate::outbox::file::error::{FileError, guarded};
use crate::outbox::file::tables::{FORMAT, Tables};

/// As many processes can have a file each at once.
const MAX_SIBLINGS: usize = 16;

/// Pages that are kept in memory.
const CACHE_BYTES: usize = 32 << 20;

/// How long a start waits between two looks at a file that is locked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What a process does whose file another one has open, as in a rolling restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLocked {
    /// Takes the same name with `.1` (or `.2` …) at its end and says so. What is left in such files
    /// is taken over by whoever has one open, once nobody else has.
    #[default]
    UseSibling,
    /// Waits for it, as long as this at most; then it fails.
    Wait(Duration),
}

/// The given name, and those that stand beside it.
pub(crate) fn sibling_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    let path = path.to_owned();
    (0..MAX_SIBLINGS).map(move |number| {
        if number == 0 {
            return path.clone();
        }
        let mut name = OsString::from(&path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    })
}

/// Opens the file, or another one where it is locked. Says so where others than its owner may read
/// it.
pub(crate) fn open_any(path: &Path, locked: OnLocked) -> Result<(PathBuf, Database), FileError> {
    let opened = open_first(path, locked)?;
    if let Some(mode) = rights_of_others(&opened.0) {
        tracing::warn!(
            target: "mengpaneel",
            path = %opened.0.display(),
            mode = format_args!("{mode:o}"),
            "other users may open the outbox file, which holds what was recorded of visitors: `chmod 600` unless that is meant"
        );
    }
    Ok(opened)
}

fn open_first(path: &Path, locked: OnLocked) -> Result<(PathBuf, Database), FileError> {
    match locked {
        OnLocked::Wait(patience) => {
            let until = Instant::now() + patience;
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
            for name in sibling_paths(path) {
                match open(&name) {
                    Err(FileError::Locked(_)) => {}
                    opened => {
                        if opened.is_ok() && name != path {
                            let (path, name) = (path.display(), name.display());
                            tracing::warn!(target: "mengpaneel", "{path} is open in another process: {name} is used");
                        }
                        return opened.map(|database| (name, database));
                    }
                }
            }
            Err(FileError::Locked(path.to_owned()))
        }
    }
}

/// Opens a file, new or of our format.
pub(crate) fn open(path: &Path) -> Result<Database, FileError> {
    guarded(path, || {
        let file =
            open_private(path).map_err(|error| FileError::of(path, redb::Error::Io(error)))?;
        let opened = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_file(file);
        let database = opened.map_err(|error| FileError::of_opening(path, error))?;
        let format = format(&database).map_err(|error| FileError::of(path, error))?;
        if format != FORMAT {
            return Err(FileError::Format {
                path: path.to_owned(),
                found: format,
            });
        }
        Ok(database)
    })
}

/// Opens a file to read and write. Where it is made, only its owner may do so, whatever the umask:
/// it holds what was recorded of visitors.
fn open_private(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The mode of a file that others than its owner may open.
#[cfg(unix)]
fn rights_of_others(path: &Path) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().ok()?) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn rights_of_others(_: &Path) -> Option<u32> {
    None
}

/// Opens a file that is there and that nobody has open, to take it over.
pub(crate) fn open_abandoned(path: &Path) -> Option<Database> {
    match open(path) {
        Ok(database) => Some(database),
        Err(FileError::Locked(_)) => None,
        Err(error) => {
            tracing::error!(target: "mengpaneel", "{error}; what waits in it stays there");
            None
        }
    }
}

/// The format of a file; a new one gets ours, and its tables.
fn format(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let format = Tables::of(&transaction)?.format()?;
    transaction.commit()?;
    Ok(format)
}
