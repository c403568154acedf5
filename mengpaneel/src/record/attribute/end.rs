//! What is still to be known, when a function has ended, before a call of its attributes counts.

use crate::record::attribute::outcome::Outcome;
use crate::record::plan::{Kind, Trigger};
use crate::record::recorder::Condition;

/// The condition under which a call counts; `None` where it does not.
pub(crate) fn condition(on: Trigger, kind: Kind, outcome: Outcome) -> Option<Condition> {
    let outcome = match (kind, outcome) {
        (Kind::Handler, Outcome::Returned | Outcome::Absent) => Outcome::Response,
        (_, outcome) => outcome,
    };
    let ended = match (on, outcome) {
        (Trigger::Always, _)
        | (Trigger::Success, Outcome::Returned)
        | (Trigger::Failure, Outcome::Failed) => Condition::Always,
        (Trigger::Success, Outcome::Response) => Condition::Response,
        (Trigger::Success, Outcome::Absent) => Condition::Found,
        (Trigger::Failure, Outcome::Absent) => Condition::NotFound,
        (Trigger::Failure, Outcome::Response) => Condition::FailedResponse,
        (Trigger::Success, Outcome::Failed) | (Trigger::Failure, Outcome::Returned) => return None,
    };
    Some(if kind == Kind::Guard {
        Condition::Routed
    } else {
        ended
    })
}
