//! Failures of messages and calls that were not delivered.

use thiserror::Error;

use crate::call::Call;
use crate::deliver::http::send_error::{SendError, SendErrorKind};
use crate::error::{Failure, Reason};
use crate::outbox::Record;
use crate::translate::message::Message;

/// Most failures that the calls of one request cause: the last one covers all further calls.
const MAX_FAILURES: usize = 20;

/// Calls that did not reach Mixpanel in one attempt.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{} not delivered; the first: {}", count(.0.len()), .0.first().map(ToString::to_string).unwrap_or_default())]
pub struct UndeliveredError(pub(crate) Vec<Failure>);

impl UndeliveredError {
    /// Returns the failure of each message, with its calls.
    pub fn failures(&self) -> &[Failure] {
        &self.0
    }
}

fn count(messages: usize) -> String {
    if messages == 1 {
        "a message was".to_owned()
    } else {
        format!("{messages} messages were")
    }
}

/// Returns a failure for each call. Past [`MAX_FAILURES`], one failure covers the other calls.
pub(crate) fn bounded_failures(
    mut calls: Vec<(Call, String)>,
    reason: fn(String) -> Reason,
) -> Vec<Failure> {
    let rest = calls.split_off(calls.len().min(MAX_FAILURES - 1));
    let mut failures: Vec<Failure> = calls
        .into_iter()
        .map(|(call, detail)| Failure::for_calls(reason(detail), vec![call]))
        .collect();
    if let Some((_, detail)) = rest.first() {
        let detail = if rest.len() > 1 {
            format!("{detail} (the first of {} such calls)", rest.len())
        } else {
            detail.clone()
        };
        failures.push(Failure::for_calls(
            reason(detail),
            rest.into_iter().map(|(call, _)| call).collect(),
        ));
    }
    failures
}

/// Returns the sent messages that failed, with their errors. `errors` has their indexes, ascending.
pub(crate) fn select_failed<T>(
    sent: Vec<T>,
    errors: Vec<(usize, SendError)>,
) -> impl Iterator<Item = (T, SendError)> {
    let (mut sent, mut consumed) = (sent.into_iter(), 0);
    errors.into_iter().filter_map(move |(index, error)| {
        let message = sent.nth(index - consumed)?;
        consumed = index + 1;
        Some((message, error))
    })
}

/// Converts the error of a message to the reason that `on_error` receives.
pub(crate) fn failure_reason(SendError { kind, reason, .. }: SendError) -> Reason {
    match kind {
        SendErrorKind::Rejected => Reason::Rejected(reason),
        SendErrorKind::Retry => Reason::Abandoned(reason),
        SendErrorKind::InDoubt => Reason::InDoubt(reason),
        SendErrorKind::NotServed => Reason::NotServed(reason),
        SendErrorKind::Unauthorized => Reason::Unauthorized(reason),
    }
}

/// Returns a failure for each remaining message of a record, or one for all calls of a record that
/// was never tried.
pub(crate) fn record_failures(record: &Record, reason: &Reason) -> Vec<Failure> {
    match record.progress().map(|progress| progress.remaining) {
        Ok(Some(remaining)) => remaining
            .into_iter()
            .map(|message| message_failure(message, reason.clone()))
            .collect(),
        _ => vec![Failure::for_calls(reason.clone(), record.calls())],
    }
}

/// Failure of one message.
pub(crate) fn message_failure(message: Message, reason: Reason) -> Failure {
    Failure {
        reason,
        calls: vec![message.call],
        messages: vec![message.body],
    }
}
