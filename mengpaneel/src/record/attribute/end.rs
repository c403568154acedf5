//! What is still to be known, when a function has ended, before a call of its attributes counts.

use crate::record::attribute::outcome::Outcome;
use crate::record::plan::{Kind, On};
use crate::record::recorder::Condition;

/// The condition under which a call counts; `None` where it does not.
pub(crate) fn condition(on: On, kind: Kind, outcome: Outcome) -> Option<Condition> {
    let outcome = match (kind, outcome) {
        (Kind::Handler, Outcome::Returned | Outcome::Absent) => Outcome::Answered,
        (_, outcome) => outcome,
    };
    let ended = match (on, outcome) {
        (On::Always, _) | (On::Success, Outcome::Returned) | (On::Failure, Outcome::Failed) => {
            Condition::Always
        }
        (On::Success, Outcome::Answered) => Condition::Response,
        (On::Success, Outcome::Absent) => Condition::Found,
        (On::Failure, Outcome::Absent) => Condition::NotFound,
        (On::Failure, Outcome::Answered) => Condition::FailedResponse,
        (On::Success, Outcome::Failed) | (On::Failure, Outcome::Returned) => return None,
    };
    Some(if kind == Kind::Guard {
        Condition::Routed
    } else {
        ended
    })
}
