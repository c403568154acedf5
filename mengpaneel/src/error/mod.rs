//! A failure: what did not reach Mixpanel, or was not as it should be, and why.

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
    OutsideScope(&'static Location<'static>),
    /// A value could not be made JSON; the call was recorded without it.
    #[error(
        "{} cannot be written as JSON ({}): it was left out; pass a map or struct with string keys",
        one_line(what),
        one_line(why)
    )]
    NotSerializable {
        /// What the value was for.
        what: String,
        /// What serde said.
        why: String,
    },
    /// An ID that can be nobody's: empty, or neither text nor a number.
    #[error("{} needs an ID that is a text or a number and not empty: it was left out", one_line(.0))]
    InvalidId(String),
    /// An ID that Mixpanel rejects, since many programs write it where no ID is known: `undefined`,
    /// `0`.
    #[error(
        "{} was given the ID {}, which Mixpanel rejects as a placeholder: it was left out; give an ID only where it is \
         known",
        one_line(what),
        Quoted(id)
    )]
    PlaceholderId {
        /// The method or property, and the place in the source code where that is known.
        what: String,
        /// The ID.
        id: String,
    },
    /// A super property or group that mixpanel-js could not store: the name is its own, or it would
    /// take the value for something else.
    #[error("mixpanel-js cannot store {0}: it was left out; choose another name")]
    Unstorable(String),
    /// A call on the profile of a user whose ID was rejected.
    #[error(
        "{} was left out: the `identify` before it was given no ID, so that it would change somebody else's profile",
        one_line(.0)
    )]
    UnknownUser(String),
    /// A call that cannot be said by the server.
    #[error("the server cannot say this: {}", one_line(.0))]
    Unsupported(String),
    /// Past a limit of Mixpanel's: the call was sent without that.
    #[error("sent, but not whole: {}", one_line(.0))]
    Truncated(String),
    /// Mixpanel refused the message.
    #[error("Mixpanel refused it: {}", one_line(.0))]
    Rejected(String),
    /// The credentials were refused: nothing gets through until they are right.
    #[error("Mixpanel refused the credentials ({}): check the token and the service account", one_line(.0))]
    Unauthorized(String),
    /// The API host answers, but does not serve Mixpanel's API: nothing gets through until it does.
    #[error(
        "the API host does not serve Mixpanel's API ({}); what waits is sent again until it does: check `api_host`, and \
         the proxy that answers there",
        one_line(.0)
    )]
    NotServed(String),
    /// Sent, but no answer came, and sending it again might count it twice.
    #[error("sent, but whether it arrived is unknown ({}): it is not sent again, since it would count twice", one_line(.0))]
    InDoubt(String),
    /// Tried until the limit of age, or of time at shutdown.
    #[error("given up: {}", one_line(.0))]
    Abandoned(String),
}

impl Reason {
    /// Its name in metrics.
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
    /// A failure that concerns these calls.
    #[must_use]
    pub fn for_calls(reason: Reason, calls: Vec<Call>) -> Self {
        Self {
            reason,
            calls,
            messages: Vec::new(),
        }
    }

    /// A failure that concerns these messages.
    #[must_use]
    pub fn for_messages(reason: Reason, messages: Vec<Value>) -> Self {
        Self {
            reason,
            calls: Vec::new(),
            messages,
        }
    }
}

/// Most methods that the text of a failure names.
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

/// Where failures are told: one log line each, then the application's own `on_error`.
#[derive(Clone, Default)]
pub(crate) struct ErrorReporter {
    hook: Option<Hook>,
    log: Arc<Mutex<LogWindow>>,
}

type Hook = Arc<dyn Fn(&Failure) + Send + Sync>;

/// How long failures are counted for the bound of the log.
const WINDOW: Duration = Duration::from_secs(10);
/// Most failures that are logged in that time: what visitors send may cause them.
const MAX_LOGGED: usize = 100;

/// Number of failures that were logged of late.
#[derive(Debug, Default)]
struct LogWindow {
    began: Option<Instant>,
    failures: usize,
}

impl LogWindow {
    /// Notes a failure. Answers its number in this window, and how many the window before did not
    /// log, where one has ended.
    fn count(&mut self, now: Instant) -> (usize, usize) {
        let mut unlogged = 0;
        if self
            .began
            .is_none_or(|began| now.duration_since(began) >= WINDOW)
        {
            unlogged = self.failures.saturating_sub(MAX_LOGGED);
            *self = Self {
                began: Some(now),
                failures: 0,
            };
        }
        self.failures += 1;
        (self.failures, unlogged)
    }
}

impl ErrorReporter {
    /// Tells `hook` of every failure, after the log.
    pub(crate) fn new(hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Self {
            hook: Some(Arc::new(hook)),
            ..Self::default()
        }
    }

    /// Logs a failure, within the bound of the log, and hands it to the application.
    pub(crate) fn report(&self, failure: &Failure) {
        let (number, unlogged) = self
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(Instant::now());
        if unlogged > 0 {
            tracing::warn!(target: "mengpaneel", unlogged, "failures were not logged: there were too many");
        }
        if number <= MAX_LOGGED {
            tracing::error!(target: "mengpaneel", "{failure}");
        }
        if number == MAX_LOGGED {
            tracing::warn!(
                target: "mengpaneel",
                "{MAX_LOGGED} failures within {WINDOW:?}: further ones are not logged, `on_error` is told of each"
            );
        }
        // One that panics must not end the thread that delivers.
        if let Some(hook) = &self.hook
            && catch_unwind(AssertUnwindSafe(|| hook(failure))).is_err()
            && number <= MAX_LOGGED
        {
            tracing::error!(target: "mengpaneel", "the on_error hook panicked");
        }
    }
}

impl fmt::Debug for ErrorReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.hook.is_some() {
            "Failures(hook)"
        } else {
            "Failures(log)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Method;

    #[test]
    fn the_text_of_a_failure_is_one_bounded_line() {
        let text = || format!("a\r\nERROR forged \u{1b}[0m {}", "x".repeat(100_000));
        let reasons = [
            Reason::NotSerializable {
                what: text(),
                why: text(),
            },
            Reason::InvalidId(text()),
            Reason::PlaceholderId {
                what: text(),
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
    fn its_text_names_the_events() {
        let call = |method, name: &str| Call::new(method, vec![serde_json::json!(name)]);
        let calls = vec![
            call(Method::Track, "Sign In\n"),
            call(Method::Identify, "ada@blog.example"),
        ];
        let line = Failure::for_calls(Reason::Rejected("no".into()), calls).to_string();
        assert_eq!(
            line,
            r#"Mixpanel refused it: no; track "Sign In\n"; identify"#
        );
    }

    #[test]
    fn the_log_is_bounded_and_the_hook_is_told_of_each() {
        let now = Instant::now();
        let mut window = LogWindow::default();
        let counted: Vec<_> = (0..150).map(|_| window.count(now)).collect();
        assert_eq!((counted[0], counted[149]), ((1, 0), (150, 0)));
        assert_eq!(window.count(now + WINDOW), (1, 50));
        assert_eq!(window.count(now + WINDOW + WINDOW), (1, 0));

        let told = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&told);
        let failures = ErrorReporter::new(move |_| *seen.lock().unwrap() += 1);
        (0..1_000).for_each(|_| {
            failures.report(&Failure::for_calls(Reason::Abandoned("a".into()), vec![]))
        });
        assert_eq!(*told.lock().unwrap(), 1_000);
    }
}
