//! Failures: calls and messages that could not be delivered, or not completely, and the reason.

pub(crate) mod log_text;
pub(crate) mod setup_mistake;

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use crate::call::Call;
use crate::error::log_text::{Quoted, one_line};

/// Argument of `on_error`: a reason, and the calls or messages that it concerns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// Problem and remedy.
    pub reason: Reason,
    /// Calls that were not delivered. Empty if they had been translated to messages.
    pub calls: Vec<Call>,
    /// Messages that were not delivered. Empty if the calls had not been translated yet.
    pub messages: Vec<Value>,
}

/// Reason why calls or messages were not delivered, or not completely.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// A call was recorded outside of any request or job.
    #[error(
        "recorded at {0} outside of any scope: wrap the app in the Mengpaneel middleware, or the work in \
         `mengpaneel.scope(…)`; take a request's `Mixpanel` into a spawned task with `mixpanel.scope(…)`"
    )]
    OutsideScope(&'static Location<'static>),
    /// A value could not be serialised as JSON; the call was recorded without it.
    #[error(
        "{} cannot be serialised as JSON ({}) and was left out; pass a map or struct with string keys",
        one_line(subject),
        one_line(error)
    )]
    NotSerializable {
        /// Method or property that the value was for.
        subject: String,
        /// Error of serde.
        error: String,
    },
    /// An ID that is empty, or neither text nor a number.
    #[error("{} needs an ID that is a number or a text that is not empty; it was left out", one_line(.0))]
    InvalidId(String),
    /// An ID that Mixpanel rejects, since many programs write it where no ID is known: `undefined`,
    /// `0`.
    #[error(
        "{} has the ID {}, which Mixpanel rejects as a placeholder; it was left out; pass an ID only where it is known",
        one_line(subject),
        Quoted(id)
    )]
    PlaceholderId {
        /// Method or property, and the line of source code if it is known.
        subject: String,
        /// The rejected ID.
        id: String,
    },
    /// A super property or group that mixpanel-js could not store: mixpanel-js reserves the name,
    /// or would misread the value.
    #[error("mixpanel-js cannot store {0}; it was left out; choose another name")]
    Unstorable(String),
    /// A call on the profile of a user whose ID was rejected.
    #[error(
        "{} was left out: the `identify` before it had no valid ID, so it would change another user's profile",
        one_line(.0)
    )]
    UnknownUser(String),
    /// A call that the server cannot translate.
    #[error("the server cannot send this call: {}", one_line(.0))]
    Unsupported(String),
    /// A part exceeds a limit of Mixpanel; the call was sent without it.
    #[error("sent, but not completely: {}", one_line(.0))]
    Truncated(String),
    /// Mixpanel rejected the message.
    #[error("Mixpanel rejected the message: {}", one_line(.0))]
    Rejected(String),
    /// Mixpanel rejected the credentials. Nothing is delivered until they are corrected.
    #[error("Mixpanel rejected the credentials ({}); nothing is delivered until they are corrected; check the token and the \
             service account", one_line(.0))]
    Unauthorized(String),
    /// The API host responds, but does not serve Mixpanel's API. Nothing is delivered until it
    /// does.
    #[error(
        "the API host does not serve Mixpanel's API ({}); pending records are retried until it does; check `api_host`, \
         and the proxy that responds there",
        one_line(.0)
    )]
    NotServed(String),
    /// Sent, but no response came. A retry might count it twice.
    #[error("sent, but the outcome is unknown ({}); it is not sent again, since it might count twice", one_line(.0))]
    InDoubt(String),
    /// Retried until the record was too old, or until the time for the shutdown was over.
    #[error("gave up: {}", one_line(.0))]
    Abandoned(String),
}

impl Reason {
    /// Returns the name of the reason in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OutsideScope(_) => "no_scope",
            Self::NotSerializable { .. } => "not_json",
            Self::InvalidId(_) => "no_id",
            Self::PlaceholderId { .. } => "placeholder_id",
            Self::Unstorable(_) => "unstorable",
            Self::UnknownUser(_) => "unknown_user",
            Self::Unsupported(_) => "untranslatable",
            Self::Truncated(_) => "cut",
            Self::Rejected(_) => "refused",
            Self::Unauthorized(_) => "unauthorized",
            Self::NotServed(_) => "not_served",
            Self::InDoubt(_) => "in_doubt",
            Self::Abandoned(_) => "given_up",
        }
    }
}

impl Failure {
    /// Creates a failure that concerns these calls.
    #[must_use]
    pub fn for_calls(reason: Reason, calls: Vec<Call>) -> Self {
        Self {
            reason,
            calls,
            messages: Vec::new(),
        }
    }

    /// Creates a failure that concerns these messages.
    #[must_use]
    pub fn for_messages(reason: Reason, messages: Vec<Value>) -> Self {
        Self {
            reason,
            calls: Vec::new(),
            messages,
        }
    }
}

/// Most methods that the text of a failure lists.
const MAX_METHODS: usize = 10;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        for call in self.calls.iter().take(MAX_METHODS) {
            write!(f, "; {}", call.method())?;
            if let Some(event) = call.str_arg(0).filter(|_| call.method().is_track()) {
                write!(f, " {}", Quoted(event))?;
            }
        }
        match self.calls.len().checked_sub(MAX_METHODS) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "; and {more} more calls"),
        }
    }
}

impl std::error::Error for Failure {}

/// Reporter of failures: writes a log line, then calls the application's `on_error`.
#[derive(Clone, Default)]
pub(crate) struct ErrorReporter {
    hook: Option<Hook>,
    log: Arc<Mutex<LogWindow>>,
}

type Hook = Arc<dyn Fn(&Failure) + Send + Sync>;

/// Period for which logged failures are counted.
const LOG_WINDOW: Duration = Duration::from_secs(10);
/// Most failures that are logged in [`LOG_WINDOW`]. Requests of visitors may cause any number.
const MAX_LOGGED: usize = 100;

/// Number of failures in the current [`LOG_WINDOW`].
#[derive(Debug, Default)]
struct LogWindow {
    started_at: Option<Instant>,
    failures: usize,
}

impl LogWindow {
    /// Counts a failure. Returns its number in this window, and how many failures of an ended
    /// window were not logged.
    fn count(&mut self, now: Instant) -> (usize, usize) {
        let mut unlogged = 0;
        if self
            .started_at
            .is_none_or(|started_at| now.duration_since(started_at) >= LOG_WINDOW)
        {
            unlogged = self.failures.saturating_sub(MAX_LOGGED);
            *self = Self {
                started_at: Some(now),
                failures: 0,
            };
        }
        self.failures += 1;
        (self.failures, unlogged)
    }
}

impl ErrorReporter {
    /// Creates a reporter that calls `hook` for every failure, after logging it.
    pub(crate) fn new(hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Self {
            hook: Some(Arc::new(hook)),
            ..Self::default()
        }
    }

    /// Logs a failure, unless too many were logged, and calls the application's hook.
    pub(crate) fn report(&self, failure: &Failure) {
        let (number, unlogged) = self
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(Instant::now());
        if unlogged > 0 {
            tracing::warn!(target: "mengpaneel", unlogged, "too many failures; some were not logged");
        }
        if number <= MAX_LOGGED {
            tracing::error!(target: "mengpaneel", "{failure}");
        }
        if number == MAX_LOGGED {
            tracing::warn!(
                target: "mengpaneel",
                "{MAX_LOGGED} failures within {LOG_WINDOW:?}; further ones are not logged, but `on_error` is called for each"
            );
        }
        // A hook that panics must not end the delivery thread.
        if let Some(hook) = &self.hook
            && catch_unwind(AssertUnwindSafe(|| hook(failure))).is_err()
            && number <= MAX_LOGGED
        {
            tracing::error!(target: "mengpaneel", "the on_error hook panicked; delivery continues");
        }
    }
}

impl fmt::Debug for ErrorReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.hook.is_some() {
            "ErrorReporter(hook)"
        } else {
            "ErrorReporter(log)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Method;

    #[test]
    fn failure_text_is_one_bounded_line() {
        let text = || format!("a\r\nERROR forged \u{1b}[0m {}", "x".repeat(100_000));
        let reasons = [
            Reason::NotSerializable {
                subject: text(),
                error: text(),
            },
            Reason::InvalidId(text()),
            Reason::PlaceholderId {
                subject: text(),
                id: text(),
            },
            Reason::UnknownUser(text()),
            Reason::Unsupported(text()),
            Reason::Truncated(text()),
            Reason::Rejected(text()),
            Reason::Unauthorized(text()),
            Reason::NotServed(text()),
            Reason::InDoubt(text()),
            Reason::Abandoned(text()),
        ];
        for reason in reasons {
            let line = Failure::for_calls(reason, vec![Call::new(Method::Track, vec![]); 10_000])
                .to_string();
            assert!(!line.contains(['\r', '\n', '\u{1b}']), "{line}");
            assert!(
                line.len() < 1_500 && line.ends_with("; and 9990 more calls"),
                "{line}"
            );
        }
    }

    #[test]
    fn failure_text_names_events() {
        let call = |method, name: &str| Call::new(method, vec![serde_json::json!(name)]);
        let calls = vec![
            call(Method::Track, "Sign In\n"),
            call(Method::Identify, "ada@blog.example"),
        ];
        let line = Failure::for_calls(Reason::Rejected("no".into()), calls).to_string();
        assert_eq!(
            line,
            r#"Mixpanel rejected the message: no; track "Sign In\n"; identify"#
        );
    }

    #[test]
    fn log_is_bounded_but_hook_is_called_for_each() {
        let now = Instant::now();
        let mut window = LogWindow::default();
        let counted: Vec<_> = (0..150).map(|_| window.count(now)).collect();
        assert_eq!((counted[0], counted[149]), ((1, 0), (150, 0)));
        assert_eq!(window.count(now + LOG_WINDOW), (1, 50));
        assert_eq!(window.count(now + LOG_WINDOW + LOG_WINDOW), (1, 0));

        let calls = Arc::new(Mutex::new(0));
        let hook_calls = Arc::clone(&calls);
        let reporter = ErrorReporter::new(move |_| *hook_calls.lock().unwrap() += 1);
        (0..1_000).for_each(|_| {
            reporter.report(&Failure::for_calls(Reason::Abandoned("a".into()), vec![]));
        });
        assert_eq!(*calls.lock().unwrap(), 1_000);
    }
}
