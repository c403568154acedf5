//! Why Redis did not do what it was asked, and whether it may have done it.

use std::fmt;

use redis::{ErrorKind, RedisError};

use crate::outbox::OutboxError;

/// Answers that say "not now": nothing was done, and waiting mends it.
/// <https://github.com/redis/redis/blob/7.2.4/src/server.c> lists them under `createSharedObjects`.
const NOT_NOW: [&str; 8] = [
    "READONLY",
    "UNBLOCKED",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "TRYAGAIN",
    "BUSY",
];

/// Answers of a server that is no primary any more: behind its address another one may be by now,
/// which a new connection reaches.
const WRONG_SERVER: [&str; 2] = ["READONLY", "UNBLOCKED"];

/// Why Redis did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// Redis could not be reached, or cannot work for now: nothing was done.
    Unreachable(String),
    /// Redis was asked, and did not answer: it may have been done.
    Unknown(String),
    /// Redis refused, and will until somebody changes something: nothing was done.
    Refused(String),
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "Redis cannot be reached: {why}"),
            Self::Unknown(why) => write!(f, "Redis did not answer: {why}"),
            Self::Refused(why) => write!(f, "Redis refused: {why}"),
        }
    }
}

impl From<QueryError> for OutboxError {
    fn from(trouble: QueryError) -> Self {
        Self(trouble.to_string())
    }
}

/// Meaning of one request's error for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// No answer came: whether it was done is unknown.
    NoAnswer,
    /// Redis cannot do it for now. With `true`, another connection may reach a server that can.
    NotNow(bool),
    /// Redis will not do it.
    Refusal,
}

impl ErrorClass {
    pub(crate) fn of(error: &RedisError) -> Self {
        if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
            return Self::NoAnswer;
        }
        let has = |codes: &[&str]| codes.iter().any(|code| has_code(error, code));
        if has(&WRONG_SERVER) {
            Self::NotNow(true)
        } else if has(&NOT_NOW) {
            Self::NotNow(false)
        } else {
            Self::Refusal
        }
    }
}

/// Returns whether an error has this code: itself, as one of a transaction's, or inside a script's,
/// where Redis before 7.0 quotes it (`ERR Error running script …: -READONLY …`).
fn has_code(error: &RedisError, code: &str) -> bool {
    let errors = error.clone().into_server_errors();
    let is_it = |found: &str, detail: Option<&str>| {
        found == code || detail.is_some_and(|detail| detail.contains(&format!("-{code} ")))
    };
    errors.is_some_and(|errors| {
        errors
            .iter()
            .any(|(_, error)| is_it(error.code(), error.details()))
    })
}

#[cfg(test)]
mod tests {
    use redis::make_extension_error;

    use super::*;

    #[test]
    fn an_answer_means_wait_reconnect_or_refusal() {
        for (code, detail, expected) in [
            (
                "READONLY",
                "You can't write against a read only replica.",
                ErrorClass::NotNow(true),
            ),
            (
                "UNBLOCKED",
                "instance state changed",
                ErrorClass::NotNow(true),
            ),
            (
                "ERR",
                "Error running script (f_1): @user_script:7: -READONLY You can't write",
                ErrorClass::NotNow(true),
            ),
            (
                "LOADING",
                "Redis is loading the dataset in memory",
                ErrorClass::NotNow(false),
            ),
            (
                "MASTERDOWN",
                "Link with MASTER is down",
                ErrorClass::NotNow(false),
            ),
            (
                "CLUSTERDOWN",
                "The cluster is down",
                ErrorClass::NotNow(false),
            ),
            (
                "NOREPLICAS",
                "Not enough good replicas to write.",
                ErrorClass::NotNow(false),
            ),
            (
                "TRYAGAIN",
                "Multiple keys request during rehashing of slot",
                ErrorClass::NotNow(false),
            ),
            (
                "BUSY",
                "Redis is busy running a script.",
                ErrorClass::NotNow(false),
            ),
            ("NOAUTH", "Authentication required.", ErrorClass::Refusal),
            (
                "NOPERM",
                "this user has no permissions",
                ErrorClass::Refusal,
            ),
            (
                "WRONGTYPE",
                "Operation against a key holding the wrong kind of value",
                ErrorClass::Refusal,
            ),
            (
                "OOM",
                "command not allowed when used memory > 'maxmemory'.",
                ErrorClass::Refusal,
            ),
            ("ERR", "unknown command", ErrorClass::Refusal),
        ] {
            let error = make_extension_error(code.to_owned(), Some(detail.to_owned()));
            assert_eq!(ErrorClass::of(&error), expected, "{code} {detail}");
        }
        assert_eq!(
            ErrorClass::of(&RedisError::from((ErrorKind::Io, "broken pipe"))),
            ErrorClass::NoAnswer
        );
    }
}
