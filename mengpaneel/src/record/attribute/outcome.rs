//! How a function ended, told from the type of what it returned.
//!
//! A type may be hidden behind `impl Trait`, so nothing is asked of it: method lookup
//! takes the first implementation below that fits: each stands one reference nearer to the receiver
//! than the next.

use std::borrow::Cow;
use std::marker::PhantomData;

use actix_web::Responder;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::web::{Bytes, BytesMut};

/// How a function ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With `Err`, with a guard's `false`, or not at all.
    Failed,
    /// With a result that is nobody's response.
    Returned,
    /// With a response, whose status is yet to be seen.
    Response,
    /// With `None`, which is status 404 where it is the response, and nobody's response elsewhere.
    Absent,
}

impl Outcome {
    /// How a guard ended that answered this.
    #[must_use]
    pub fn of_guard(passed: bool) -> Self {
        if passed { Self::Returned } else { Self::Failed }
    }
}

/// Asks what a function returned how the function ended.
#[doc(hidden)]
#[macro_export]
macro_rules! __classify_outcome {
    ($returned:expr) => {{
        use $crate::__private::outcome::ClassifyOutcome as _;
        (&&&&&&&$crate::__private::outcome::TypeProbe::of($returned)).outcome($returned)
    }};
}

/// Carries the type of what a function returned.
#[derive(Debug)]
pub struct TypeProbe<R: ?Sized>(PhantomData<fn(&R)>);

impl<R> TypeProbe<R> {
    /// Of the type of this value.
    pub fn of(_: &R) -> Self {
        Self(PhantomData)
    }
}

/// A request that a middleware may pass on.
pub trait PassesOn {
    /// Returns `true`.
    fn passes_on(&self) -> bool {
        true
    }
}

impl PassesOn for &TypeProbe<ServiceRequest> {}

/// Any other value.
pub trait StaysHere {
    /// Returns `false`.
    fn passes_on(&self) -> bool {
        false
    }
}

impl<R> StaysHere for TypeProbe<R> {}

/// A text, bytes, or nothing: what any function returns, and a handler may.
pub trait PlainBody {
    /// How a function ended that returned this.
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

/// Tells how the function ended that returned `R`.
pub trait ClassifyOutcome<R> {
    /// How the function ended that returned this.
    fn outcome(&self, returned: &R) -> Outcome;
}

/// A text, or nothing, in a result.
impl<T: PlainBody, E> ClassifyOutcome<Result<T, E>> for &&&&&&TypeProbe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        returned
            .as_ref()
            .map_or(Outcome::Failed, PlainBody::outcome)
    }
}

/// A text, or nothing.
impl<T: PlainBody> ClassifyOutcome<T> for &&&&&TypeProbe<T> {
    fn outcome(&self, returned: &T) -> Outcome {
        returned.outcome()
    }
}

/// A response in a result.
impl<T: Responder, E> ClassifyOutcome<Result<T, E>> for &&&&TypeProbe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        ok(returned, Outcome::Response)
    }
}

/// The answer of a middleware.
impl<B, E> ClassifyOutcome<Result<ServiceResponse<B>, E>>
    for &&TypeProbe<Result<ServiceResponse<B>, E>>
{
    fn outcome(&self, returned: &Result<ServiceResponse<B>, E>) -> Outcome {
        ok(returned, Outcome::Response)
    }
}

/// The same, which did not fail.
impl<B> ClassifyOutcome<ServiceResponse<B>> for &&TypeProbe<ServiceResponse<B>> {
    fn outcome(&self, _: &ServiceResponse<B>) -> Outcome {
        Outcome::Response
    }
}

/// A response.
impl<T: Responder> ClassifyOutcome<T> for &&&TypeProbe<T> {
    fn outcome(&self, _: &T) -> Outcome {
        Outcome::Response
    }
}

/// Any other result.
impl<T, E> ClassifyOutcome<Result<T, E>> for &TypeProbe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        ok(returned, Outcome::Returned)
    }
}

/// Anything else.
impl<R> ClassifyOutcome<R> for TypeProbe<R> {
    fn outcome(&self, _: &R) -> Outcome {
        Outcome::Returned
    }
}

fn ok<T, E>(result: &Result<T, E>, outcome: Outcome) -> Outcome {
    if result.is_ok() {
        outcome
    } else {
        Outcome::Failed
    }
}
