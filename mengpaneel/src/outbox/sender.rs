//! Sending: from parcels to answers, and what to tell where the answer is no.

use std::time::Duration;

use thiserror::Error;

use crate::failure::{Failure, Failures, Reason};
use crate::parcel::Parcel;
use crate::server::{Delivery, Message, Outcome, translate};

/// What it takes to send.
pub(super) struct Sender {
    pub(super) token: String,
    pub(super) delivery: Delivery,
    pub(super) failures: Failures,
    pub(super) max_age: Duration,
}

/// What did not reach Mixpanel in one attempt.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{} not delivered; the first: {}", count(.0.len()), .0.first().map(ToString::to_string).unwrap_or_default())]
pub struct Undelivered(pub Vec<Failure>);

fn count(messages: usize) -> String {
    if messages == 1 { "a message was".to_owned() } else { format!("{messages} messages were") }
}

impl Sender {
    /// Translates; what cannot be said is told.
    pub(super) fn messages(&self, parcel: &Parcel) -> Vec<Message> {
        let translation = translate(&self.token, parcel);
        for (call, why) in translation.refused {
            self.failures.tell(&Failure::of_calls(Reason::Untranslatable(why), vec![call]));
        }
        for (call, what) in translation.cut {
            self.failures.tell(&Failure::of_calls(Reason::Cut(what), vec![call]));
        }
        translation.messages
    }

    /// One attempt; gives what did not arrive.
    pub(super) async fn send_once(&self, parcel: &Parcel) -> Vec<Failure> {
        let sent = self.delivery.deliver(self.messages(parcel)).await;
        sent.into_iter().filter_map(|(message, outcome)| Some(failure(message, reason(outcome)?))).collect()
    }
}

/// Why a message is not delivered, where it is not.
pub(super) fn reason(outcome: Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Delivered => None,
        Outcome::Refused(why) => Some(Reason::Refused(why)),
        Outcome::Retry { reason, .. } => Some(Reason::GivenUp(reason)),
        Outcome::InDoubt(why) => Some(Reason::InDoubt(why)),
        Outcome::Unauthorized(why) => Some(Reason::Unauthorized(why)),
    }
}

pub(super) fn failure(message: Message, reason: Reason) -> Failure {
    Failure { reason, calls: vec![message.call], messages: vec![message.body] }
}
