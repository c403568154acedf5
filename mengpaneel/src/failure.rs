//! A failure: what did not reach Mixpanel, or was not as it should be, and why.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use crate::call::Call;

/// What `on_error` is told: why, and which calls it is about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong, and what to do.
    pub reason: Reason,
    /// The calls that were not delivered, where they are still known as calls.
    pub calls: Vec<Call>,
    /// The messages that were not delivered, where they had been translated already.
    pub messages: Vec<Value>,
}

/// Why something did not reach Mixpanel.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// A call was recorded where nobody collects calls.
    #[error(
        "recorded at {0} outside of any scope: wrap the app in the Mengpaneel middleware, or the work in \
         `mengpaneel.scope(…)`; take a request's `Mixpanel` into a spawned task with `mixpanel.scope(…)`"
    )]
    NoScope(&'static Location<'static>),
    /// A value could not be made JSON; the call was recorded without it.
    #[error("{what} cannot be written as JSON ({why}): it was left out; pass a map or struct with string keys")]
    NotJson {
        /// What the value was for.
        what: String,
        /// What serde said.
        why: String,
    },
    /// An ID that can be nobody's: empty, or neither text nor a number.
    #[error("{0} needs an ID that is a text or a number and not empty: it was left out")]
    NoId(String),
    /// An ID that Mixpanel rejects, since many programs write it where no ID is known: `undefined`, `0`.
    #[error(
        "{what} was given the ID {id:?}, which Mixpanel rejects as a placeholder: it was left out; give an ID only \
         where it is known"
    )]
    PlaceholderId {
        /// The method or property, and the place in the source code where that is known.
        what: String,
        /// The ID.
        id: String,
    },
    /// A call on the profile of a user whose ID was rejected.
    #[error(
        "{0} was left out: the `identify` before it was given no ID, so that it would change somebody else's profile"
    )]
    UnknownUser(String),
    /// A call that cannot be said by the server.
    #[error("the server cannot say this: {0}")]
    Untranslatable(String),
    /// Past a limit of Mixpanel's: the call was sent without that.
    #[error("sent, but not whole: {0}")]
    Cut(String),
    /// Mixpanel refused the message.
    #[error("Mixpanel refused it: {0}")]
    Refused(String),
    /// The credentials were refused: nothing gets through until they are right.
    #[error("Mixpanel refused the credentials ({0}): check the token and the service account")]
    Unauthorized(String),
    /// What answers at the API host is not Mixpanel's API: nothing gets through until it is.
    #[error(
        "the API host does not serve Mixpanel's API ({0}); what waits is sent again until it does: check `api_host`, and \
         the proxy that answers there"
    )]
    NotServed(String),
    /// Sent, but no answer came, and sending it again might count it twice.
    #[error("sent, but whether it arrived is unknown ({0}): it is not sent again, since it would count twice")]
    InDoubt(String),
    /// Tried until the limit of age, or of time at shutdown.
    #[error("given up: {0}")]
    GivenUp(String),
}

impl Reason {
    /// Its name in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoScope(_) => "no_scope",
            Self::NotJson { .. } => "not_json",
            Self::NoId(_) => "no_id",
            Self::PlaceholderId { .. } => "placeholder_id",
            Self::UnknownUser(_) => "unknown_user",
            Self::Untranslatable(_) => "untranslatable",
            Self::Cut(_) => "cut",
            Self::Refused(_) => "refused",
            Self::Unauthorized(_) => "unauthorized",
            Self::NotServed(_) => "not_served",
            Self::InDoubt(_) => "in_doubt",
            Self::GivenUp(_) => "given_up",
        }
    }
}

impl Failure {
    /// A failure that concerns these calls.
    #[must_use]
    pub fn of_calls(reason: Reason, calls: Vec<Call>) -> Self {
        Self { reason, calls, messages: Vec::new() }
    }

    /// A failure that concerns these messages.
    #[must_use]
    pub fn of_messages(reason: Reason, messages: Vec<Value>) -> Self {
        Self { reason, calls: Vec::new(), messages }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        for call in &self.calls {
            write!(f, "; {}", call.method())?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Where failures are told: one log line each, then the application's own `on_error`.
#[derive(Clone, Default)]
pub struct Failures(Option<Hook>);

type Hook = Arc<dyn Fn(&Failure) + Send + Sync>;

impl Failures {
    /// Tells `hook` of every failure, after the log.
    pub fn new(hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Logs a failure and hands it to the application.
    pub fn tell(&self, failure: &Failure) {
        tracing::error!(target: "mengpaneel", "{failure}");
        // One that panics must not end the thread that delivers.
        if let Some(hook) = &self.0
            && catch_unwind(AssertUnwindSafe(|| hook(failure))).is_err()
        {
            tracing::error!(target: "mengpaneel", "the on_error hook panicked");
        }
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Failures(hook)" } else { "Failures(log)" })
    }
}
