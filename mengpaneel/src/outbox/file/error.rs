//! Errors of the outbox in a file.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::outbox::OutboxError;
use crate::outbox::file::tables::FORMAT;

/// Reason why a file cannot be used as an outbox.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// Another process has the file open.
    #[error(
        "{0} is open in another process, as is every sibling that could be used instead: stop one of those \
         processes, or configure another file"
    )]
    Locked(PathBuf),
    /// The file cannot be written.
    #[error(
        "{path} cannot be written ({reason}): give this user write permission, or configure another file"
    )]
    ReadOnly {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        reason: io::Error,
    },
    /// The disk is full.
    #[error("no space is left for {0}: free some on its disk")]
    DiskFull(PathBuf),
    /// The file is not an outbox, or is damaged.
    #[error("{path} is not a readable outbox ({reason}): move it away, and a new file is created")]
    Corrupt {
        /// Path of the file.
        path: PathBuf,
        /// Problem with the content.
        reason: String,
    },
    /// Another version wrote the file.
    #[error(
        "{path} has format {found}, this version reads {}: drain it with the version that wrote it",
        FORMAT
    )]
    Format {
        /// Path of the file.
        path: PathBuf,
        /// Format of the file.
        found: u64,
    },
    /// Any other error.
    #[error("{path}: {reason}")]
    Other {
        /// Path of the file.
        path: PathBuf,
        /// Message of the error.
        reason: String,
    },
}

impl FileError {
    pub(crate) fn from_redb(path: &Path, error: redb::Error) -> Self {
        let path = path.to_owned();
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::Locked(path),
            redb::Error::Io(reason) => Self::from_io(path, reason),
            redb::Error::Corrupted(reason) => Self::Corrupt { path, reason },
            redb::Error::UpgradeRequired(found) => Self::Corrupt {
                path,
                reason: format!("format {found} of redb is no longer supported"),
            },
            redb::Error::RepairAborted => Self::Corrupt {
                path,
                reason: "the repair was aborted".into(),
            },
            redb::Error::TableTypeMismatch { .. } | redb::Error::TypeDefinitionChanged { .. } => {
                Self::Corrupt {
                    path,
                    reason: error.to_string(),
                }
            }
            other => Self::Other {
                path,
                reason: other.to_string(),
            },
        }
    }

    fn from_io(path: PathBuf, reason: io::Error) -> Self {
        match reason.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, reason }
            }
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull(path),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt {
                path,
                reason: reason.to_string(),
            },
            _ => Self::Other {
                path,
                reason: reason.to_string(),
            },
        }
    }
}

/// Runs an operation on the file, and turns a panic into [`FileError::Corrupt`]. redb asserts its
/// expectations of the content: a panic means a damaged file.
pub(crate) fn catch_panic<T>(
    path: &Path,
    operation: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, FileError> {
    let result = panic::catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(panic.downcast_ref::<&str>().copied());
        let message = message.unwrap_or("redb panicked");
        Err(redb::Error::Corrupted(message.to_owned()))
    });
    result.map_err(|error| FileError::from_redb(path, error))
}

impl From<FileError> for OutboxError {
    fn from(error: FileError) -> Self {
        Self(error.to_string())
    }
}
