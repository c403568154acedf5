//! What can be wrong with the file of an outbox.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use redb::{DatabaseError, StorageError};
use thiserror::Error;

use crate::outbox::OutboxError;

/// Why a file cannot be an outbox, or not now.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// Another process has it open.
    #[error(
        "{0} is open in another process, as is every file beside it that may be taken instead: stop one of those \
         processes, or name another file"
    )]
    Locked(PathBuf),
    /// It cannot be written.
    #[error("{path} cannot be written ({why}): give this user the right to, or name another file")]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// There is no room.
    #[error("no room is left for {0}: free some on its disk")]
    DiskFull(PathBuf),
    /// It is no outbox, or not any more.
    #[error("{path} is no outbox that can be read ({why}): move it away, and a new one is begun")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another version wrote it.
    #[error(
        "{path} has format {found}, this version reads {}: drain it with the version that wrote it",
        super::FORMAT
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// Something else.
    #[error("{path}: {why}")]
    Other {
        /// The file.
        path: PathBuf,
        /// What was said.
        why: String,
    },
}

impl FileError {
    pub(crate) fn of_opening(path: &Path, error: DatabaseError) -> Self {
        let path = path.to_owned();
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::Locked(path),
            DatabaseError::UpgradeRequired(found) => Self::Corrupt {
                path,
                why: format!("redb's own format {found} is not read any more"),
            },
            DatabaseError::RepairAborted => Self::Corrupt {
                path,
                why: "it could not be repaired".into(),
            },
            DatabaseError::Storage(error) => Self::of_storage(&path, error),
            other => Self::Other {
                path,
                why: other.to_string(),
            },
        }
    }

    pub(crate) fn of(path: &Path, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(error) => Self::of_io(path, error),
            redb::Error::Corrupted(why) => Self::Corrupt {
                path: path.to_owned(),
                why,
            },
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }) => Self::Corrupt {
                path: path.to_owned(),
                why: error.to_string(),
            },
            other => Self::Other {
                path: path.to_owned(),
                why: other.to_string(),
            },
        }
    }

    fn of_storage(path: &Path, error: StorageError) -> Self {
        match error {
            StorageError::Io(error) => Self::of_io(path, error),
            StorageError::Corrupted(why) => Self::Corrupt {
                path: path.to_owned(),
                why,
            },
            other => Self::Other {
                path: path.to_owned(),
                why: other.to_string(),
            },
        }
    }

    fn of_io(path: &Path, why: io::Error) -> Self {
        let path = path.to_owned();
        match why.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, why }
            }
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull(path),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt {
                path,
                why: why.to_string(),
            },
            _ => Self::Other {
                path,
                why: why.to_string(),
            },
        }
    }
}

/// Does something with the file. redb asserts what it expects of a file's content: a panic of its
/// means that the file is broken.
pub(crate) fn guarded<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, FileError>,
) -> Result<T, FileError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panic.downcast_ref::<&str>().copied());
        Err(FileError::Corrupt {
            path: path.to_owned(),
            why: said.unwrap_or("redb gave up on it").to_owned(),
        })
    })
}

impl From<FileError> for OutboxError {
    fn from(error: FileError) -> Self {
        Self(error.to_string())
    }
}
