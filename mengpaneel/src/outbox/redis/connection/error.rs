//! Errors of commands, and whether Redis may have executed the command.

use redis::{ErrorKind, RedisError};
use thiserror::Error;

use crate::outbox::OutboxError;

/// Other error codes of a Redis that cannot execute commands for now: nothing was done, and a retry
/// may succeed.
///
/// <https://github.com/redis/redis/blob/7.2.4/src/server.c> lists them under `createSharedObjects`.
const UNAVAILABLE_CODES: [&str; 6] = [
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "TRYAGAIN",
    "BUSY",
];

/// Error codes of a server that is no longer the primary: a new connection to the same address may
/// reach the new primary.
const WRONG_SERVER_CODES: [&str; 2] = ["READONLY", "UNBLOCKED"];

/// Error of a command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum QueryError {
    /// Redis is unreachable or cannot execute commands for now: the command was not executed.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// The response was lost: the command may have been executed.
    #[error("Redis did not respond: {0}")]
    Unknown(String),
    /// Redis refused the command, and will refuse it until a person changes something.
    #[error("Redis refused: {0}")]
    Refused(String),
}

impl From<QueryError> for OutboxError {
    fn from(error: QueryError) -> Self {
        Self(error.to_string())
    }
}

/// Meaning of one request's error for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// No response: the command may have been executed.
    NoResponse,
    /// Redis cannot execute the command for now.
    Unavailable,
    /// Redis cannot execute the command, but a new connection may reach a server that can.
    WrongServer,
    /// Redis refused the command.
    Refused,
}

impl ErrorClass {
    /// Classifies an error by its code.
    pub(crate) fn from_error(error: &RedisError) -> Self {
        if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
            return Self::NoResponse;
        }
        let has = |codes: &[&str]| codes.iter().any(|code| has_code(error, code));
        if has(&WRONG_SERVER_CODES) {
            Self::WrongServer
        } else if has(&UNAVAILABLE_CODES) {
            Self::Unavailable
        } else {
            Self::Refused
        }
    }
}

/// Returns whether an error has a code: as the error itself, in a transaction, or in a script.
///
/// Redis before 7.0 quotes the error of a script (`ERR Error running script …: -READONLY …`).
fn has_code(error: &RedisError, code: &str) -> bool {
    let errors = error.clone().into_server_errors();
    let matches = |found: &str, detail: Option<&str>| {
        found == code || detail.is_some_and(|detail| detail.contains(&format!("-{code} ")))
    };
    errors.is_some_and(|errors| {
        errors
            .iter()
            .any(|(_, error)| matches(error.code(), error.details()))
    })
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    const WRONG_SERVER: ErrorClass = ErrorClass::WrongServer;
    const UNAVAILABLE: ErrorClass = ErrorClass::Unavailable;

    #[test]
    fn error_code_determines_class() {
        for (code, detail, expected) in [
            (
                "READONLY",
                "You can't write against a read only replica.",
                WRONG_SERVER,
            ),
            ("UNBLOCKED", "instance state changed", WRONG_SERVER),
            (
                "ERR",
                "Error running script (f_1): @user_script:7: -READONLY You can't write",
                WRONG_SERVER,
            ),
            (
                "LOADING",
                "Redis is loading the dataset in memory",
                UNAVAILABLE,
            ),
            ("MASTERDOWN", "Link with MASTER is down", UNAVAILABLE),
            ("CLUSTERDOWN", "The cluster is down", UNAVAILABLE),
            (
                "NOREPLICAS",
                "Not enough good replicas to write.",
                UNAVAILABLE,
            ),
            (
                "TRYAGAIN",
                "Multiple keys request during rehashing of slot",
                UNAVAILABLE,
            ),
            ("BUSY", "Redis is busy running a script.", UNAVAILABLE),
            ("NOAUTH", "Authentication required.", ErrorClass::Refused),
            (
                "NOPERM",
                "this user has no permissions",
                ErrorClass::Refused,
            ),
            (
                "WRONGTYPE",
                "Operation against a key holding the wrong kind of value",
                ErrorClass::Refused,
            ),
            (
                "OOM",
                "command not allowed when used memory > 'maxmemory'.",
                ErrorClass::Refused,
            ),
            ("ERR", "unknown command", ErrorClass::Refused),
        ] {
            let error = make_extension_error(code.to_owned(), Some(detail.to_owned()));
            assert_eq!(ErrorClass::from_error(&error), expected, "{code} {detail}");
        }
        assert_eq!(
            ErrorClass::from_error(&RedisError::from((ErrorKind::Io, "broken pipe"))),
            ErrorClass::NoResponse
        );
    }
}
