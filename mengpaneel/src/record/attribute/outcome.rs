//! Outcome of a function, derived from the type of its return value.
//!
//! The type may be hidden behind `impl Trait`, so no trait bound can be required of it. Instead the
//! macros use autoref specialisation: method lookup selects the first implementation that fits, and
//! each implementation needs one reference more than the next. See
//! <https://github.com/dtolnay/case-studies/tree/master/autoref-specialization>.

use std::borrow::Cow;
use std::marker::PhantomData;

use actix_web::Responder;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::web::{Bytes, BytesMut};

use crate::record::plan::{Kind, Trigger};
use crate::record::recorder::Condition;

/// Outcome of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function returned `Err`, a guard returned `false`, or the function did not end.
    Failed,
    /// The function returned a value that is no response.
    Returned,
    /// The function returned a response, whose status is not known yet.
    Response,
    /// The function returned `None`: status 404 if it is the response, otherwise no response.
    Absent,
}

impl Outcome {
    /// Returns the outcome of a guard that returned `passed`.
    #[must_use]
    pub fn of_guard(passed: bool) -> Self {
        if passed { Self::Returned } else { Self::Failed }
    }

    /// Returns the condition under which a call counts after this outcome, or `None` if the call
    /// does not count.
    pub(crate) fn condition(self, trigger: Trigger, kind: Kind) -> Option<Condition> {
        let outcome = match (kind, self) {
            (Kind::Handler, Self::Returned | Self::Absent) => Self::Response,
            (_, outcome) => outcome,
        };
        let condition = match (trigger, outcome) {
            (Trigger::Always, _)
            | (Trigger::Success, Self::Returned)
            | (Trigger::Failure, Self::Failed) => Condition::Always,
            (Trigger::Success, Self::Response) => Condition::Response,
            (Trigger::Success, Self::Absent) => Condition::Found,
            (Trigger::Failure, Self::Absent) => Condition::NotFound,
            (Trigger::Failure, Self::Response) => Condition::FailedResponse,
            (Trigger::Success, Self::Failed) | (Trigger::Failure, Self::Returned) => return None,
        };
        Some(if kind == Kind::Guard {
            Condition::Routed
        } else {
            condition
        })
    }
}

/// Type of a function's return value, for method lookup.
#[derive(Debug)]
pub struct TypeProbe<R: ?Sized>(PhantomData<fn(&R)>);

impl<R> TypeProbe<R> {
    /// Creates a probe of the type of a value.
    pub fn of(_: &R) -> Self {
        Self(PhantomData)
    }
}

/// Request that a middleware may pass to the rest of the chain.
pub trait PassesOn {
    /// Returns `true`.
    fn passes_on(&self) -> bool {
        true
    }
}

impl PassesOn for &TypeProbe<ServiceRequest> {}

/// Any value that a middleware does not pass to the rest of the chain.
pub trait DoesNotPassOn {
    /// Returns `false`.
    fn passes_on(&self) -> bool {
        false
    }
}

impl<R> DoesNotPassOn for TypeProbe<R> {}

/// Text, bytes or `()`: a response only if a handler returns it.
pub trait PlainBody {
    /// Returns the outcome of a function that returned this value.
    fn outcome(&self) -> Outcome {
        Outcome::Returned
    }
}

impl PlainBody for () {}
impl PlainBody for String {}
impl PlainBody for &str {}
impl PlainBody for &String {}
impl PlainBody for Cow<'_, str> {}
impl PlainBody for Vec<u8> {}
impl PlainBody for &[u8] {}
impl PlainBody for Bytes {}
impl PlainBody for BytesMut {}

impl<T: PlainBody> PlainBody for Option<T> {
    fn outcome(&self) -> Outcome {
        self.as_ref().map_or(Outcome::Absent, PlainBody::outcome)
    }
}

/// Classification of a function that returned `R`.
pub trait ClassifyOutcome<R> {
    /// Returns the outcome of the function that returned this value.
    fn outcome(&self, returned: &R) -> Outcome;
}

/// Body in a result.
impl<T: PlainBody, E> ClassifyOutcome<Result<T, E>> for &&&&&&TypeProbe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        returned
            .as_ref()
            .map_or(Outcome::Failed, PlainBody::outcome)
    }
}

/// Body.
impl<T: PlainBody> ClassifyOutcome<T> for &&&&&TypeProbe<T> {
    fn outcome(&self, returned: &T) -> Outcome {
        returned.outcome()
    }
}

/// Response in a result.
impl<T: Responder, E> ClassifyOutcome<Result<T, E>> for &&&&TypeProbe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        if_ok(returned, Outcome::Response)
    }
}

/// Response of a middleware in a result.
impl<B, E> ClassifyOutcome<Result<ServiceResponse<B>, E>>
    for &&TypeProbe<Result<ServiceResponse<B>, E>>
{
    fn outcome(&self, returned: &Result<ServiceResponse<B>, E>) -> Outcome {
        if_ok(returned, Outcome::Response)
    }
}

/// Response of a middleware.
impl<B> ClassifyOutcome<ServiceResponse<B>> for &&TypeProbe<ServiceResponse<B>> {
    fn outcome(&self, _: &ServiceResponse<B>) -> Outcome {
        Outcome::Response
    }
}

/// Response.
impl<T: Responder> ClassifyOutcome<T> for &&&TypeProbe<T> {
    fn outcome(&self, _: &T) -> Outcome {
        Outcome::Response
    }
}

/// Any other result.
impl<T, E> ClassifyOutcome<Result<T, E>> for &TypeProbe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        if_ok(returned, Outcome::Returned)
    }
}

/// Anything else.
impl<R> ClassifyOutcome<R> for TypeProbe<R> {
    fn outcome(&self, _: &R) -> Outcome {
        Outcome::Returned
    }
}

/// Returns `outcome` for `Ok`.
fn if_ok<T, E>(result: &Result<T, E>, outcome: Outcome) -> Outcome {
    if result.is_ok() {
        outcome
    } else {
        Outcome::Failed
    }
}
