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
    Answered,
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
macro_rules! __outcome {
    ($returned:expr) => {{
        use $crate::__private::outcome::Ask as _;
        (&&&&&&&$crate::__private::outcome::Probe::of($returned)).outcome($returned)
    }};
}

/// Carries the type of what a function returned.
#[derive(Debug)]
pub struct Probe<R: ?Sized>(PhantomData<fn(&R)>);

impl<R> Probe<R> {
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

impl PassesOn for &Probe<ServiceRequest> {}

/// Any other value.
pub trait StaysHere {
    /// Returns `false`.
    fn passes_on(&self) -> bool {
        false
    }
}

impl<R> StaysHere for Probe<R> {}

/// A text, bytes, or nothing: what any function returns, and a handler may.
pub trait Text {
    /// How a function ended that returned this.
    fn outcome(&self) -> Outcome {
        Outcome::Returned
    }
}

impl Text for () {}
impl Text for String {}
impl Text for &str {}
impl Text for &String {}
impl Text for Cow<'_, str> {}
impl Text for Vec<u8> {}
impl Text for &[u8] {}
impl Text for Bytes {}
impl Text for BytesMut {}

impl<T: Text> Text for Option<T> {
    fn outcome(&self) -> Outcome {
        self.as_ref().map_or(Outcome::Absent, Text::outcome)
    }
}

/// Tells how the function ended that returned `R`.
pub trait Ask<R> {
    /// How the function ended that returned this.
    fn outcome(&self, returned: &R) -> Outcome;
}

/// A text, or nothing, in a result.
impl<T: Text, E> Ask<Result<T, E>> for &&&&&&Probe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        returned.as_ref().map_or(Outcome::Failed, Text::outcome)
    }
}

/// A text, or nothing.
impl<T: Text> Ask<T> for &&&&&Probe<T> {
    fn outcome(&self, returned: &T) -> Outcome {
        returned.outcome()
    }
}

/// A response in a result.
impl<T: Responder, E> Ask<Result<T, E>> for &&&&Probe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        ok(returned, Outcome::Answered)
    }
}

/// The answer of a middleware.
impl<B, E> Ask<Result<ServiceResponse<B>, E>> for &&Probe<Result<ServiceResponse<B>, E>> {
    fn outcome(&self, returned: &Result<ServiceResponse<B>, E>) -> Outcome {
        ok(returned, Outcome::Answered)
    }
}

/// The same, which did not fail.
impl<B> Ask<ServiceResponse<B>> for &&Probe<ServiceResponse<B>> {
    fn outcome(&self, _: &ServiceResponse<B>) -> Outcome {
        Outcome::Answered
    }
}

/// A response.
impl<T: Responder> Ask<T> for &&&Probe<T> {
    fn outcome(&self, _: &T) -> Outcome {
        Outcome::Answered
    }
}

/// Any other result.
impl<T, E> Ask<Result<T, E>> for &Probe<Result<T, E>> {
    fn outcome(&self, returned: &Result<T, E>) -> Outcome {
        ok(returned, Outcome::Returned)
    }
}

/// Anything else.
impl<R> Ask<R> for Probe<R> {
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
