//! End of a function that is not async itself, decided by the type of its return value.
//!
//! A returned future ends the function when it is ready, not when it is returned. The
//! implementation is selected by autoref specialisation, as in [`outcome`](super::outcome).

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::{HttpResponse, HttpResponseBuilder};
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use crate::record::attribute::FrameGuard;
use crate::record::attribute::outcome::{Outcome, TypeProbe};

/// Response. Not treated as a future even if its type can be awaited.
pub trait AsResponse<R> {
    /// Ends the frame.
    fn finish(&self, frame: FrameGuard, returned: R, outcome: fn(&R) -> Outcome) -> R {
        frame.finish(outcome(&returned));
        returned
    }
}

impl AsResponse<HttpResponse> for &&&&TypeProbe<HttpResponse> {}

impl AsResponse<HttpResponseBuilder> for &&&&TypeProbe<HttpResponseBuilder> {}

/// Spawned task, which runs even if its handle is not awaited.
pub trait AsTask<R> {
    /// Ends the frame.
    fn finish(&self, frame: FrameGuard, returned: R, _: fn(&R) -> Outcome) -> R {
        frame.finish(Outcome::Returned);
        returned
    }
}

impl<T> AsTask<JoinHandle<T>> for &&&TypeProbe<JoinHandle<T>> {}

/// Future that can be wrapped without changing its type.
pub trait AsFuture<R: EndsLater> {
    /// Ends the frame when the future is ready.
    fn finish(&self, frame: FrameGuard, returned: R, outcome: fn(&R::Output) -> Outcome) -> R {
        returned.end_later(frame, outcome)
    }
}

impl<R: EndsLater> AsFuture<R> for &&TypeProbe<R> {}

/// Boxed future whose type the signature hides.
pub trait AsBoxed<F: Future> {
    /// Ends the frame when the future is ready.
    fn finish(
        &self,
        frame: FrameGuard,
        returned: Pin<Box<F>>,
        outcome: fn(&F::Output) -> Outcome,
    ) -> Pin<Box<Ending<Pin<Box<F>>>>> {
        Box::pin(Ending::new(returned, frame, outcome))
    }
}

impl<F: Future> AsBoxed<F> for &&TypeProbe<Pin<Box<F>>> {}

/// Future whose type the signature hides.
pub trait AsOpaque<F: Future> {
    /// Ends the frame when the future is ready.
    fn finish(
        &self,
        frame: FrameGuard,
        returned: F,
        outcome: fn(&F::Output) -> Outcome,
    ) -> Ending<F> {
        Ending::new(returned, frame, outcome)
    }
}

impl<F: Future> AsOpaque<F> for &TypeProbe<F> {}

/// Future whose type no wrapper can have.
pub trait AsOtherFuture<R: Future> {
    /// Fails to compile.
    fn finish(&self, frame: FrameGuard, returned: R, outcome: fn(&R::Output) -> Outcome) -> R
    where
        R: EndsLater,
    {
        returned.end_later(frame, outcome)
    }
}

impl<R: Future> AsOtherFuture<R> for &TypeProbe<R> {}

/// Anything else.
pub trait AsValue<R> {
    /// Ends the frame.
    fn finish(&self, frame: FrameGuard, returned: R, outcome: fn(&R) -> Outcome) -> R {
        frame.finish(outcome(&returned));
        returned
    }
}

impl<R> AsValue<R> for TypeProbe<R> {}

/// Future that can end a frame without changing its type.
#[diagnostic::on_unimplemented(
    message = "mengpaneel's attributes cannot await a `{Self}` for the function that returns it",
    label = "the attribute cannot wrap a future of this type to observe its result",
    note = "return `impl Future`, `Pin<Box<dyn Future>>` (such as `LocalBoxFuture`) or `Ready`, or annotate the `async fn` \
            that creates the future"
)]
pub trait EndsLater: Future + Sized {
    /// Returns the same future, which ends `frame` when it is ready.
    #[must_use]
    fn end_later(self, frame: FrameGuard, outcome: fn(&Self::Output) -> Outcome) -> Self;
}

macro_rules! impl_ends_later_boxed {
    ($($future:ty => $wrap:expr),* $(,)?) => {$(
        impl<'a, T: 'a> EndsLater for $future {
            fn end_later(self, frame: FrameGuard, outcome: fn(&T) -> Outcome) -> Self {
                $wrap(Ending::new(self, frame, outcome))
            }
        }
    )*};
}

impl_ends_later_boxed! {
    Pin<Box<dyn Future<Output = T> + 'a>> => Box::pin,
    Pin<Box<dyn Future<Output = T> + Send + 'a>> => Box::pin,
    Pin<Box<dyn Future<Output = T> + Send + Sync + 'a>> => Box::pin,
    Box<dyn Future<Output = T> + Unpin + 'a> => Box::new,
    Box<dyn Future<Output = T> + Unpin + Send + 'a> => Box::new,
    Box<dyn Future<Output = T> + Unpin + Send + Sync + 'a> => Box::new,
}

impl<T> EndsLater for Ready<T> {
    fn end_later(self, frame: FrameGuard, outcome: fn(&T) -> Outcome) -> Self {
        let value = self.into_inner();
        frame.finish(outcome(&value));
        ready(value)
    }
}

impl<T> EndsLater for futures_util::future::Ready<T> {
    fn end_later(self, frame: FrameGuard, outcome: fn(&T) -> Outcome) -> Self {
        let value = self.into_inner();
        frame.finish(outcome(&value));
        futures_util::future::ready(value)
    }
}

#[expect(deprecated, reason = "applications still return it")]
impl<T> EndsLater for actix_utils::future::Ready<T> {
    fn end_later(self, frame: FrameGuard, outcome: fn(&T) -> Outcome) -> Self {
        let value = self.into_inner();
        frame.finish(outcome(&value));
        actix_utils::future::ready(value)
    }
}

impl<A, B> EndsLater for futures_util::future::Either<A, B>
where
    A: EndsLater,
    B: EndsLater<Output = A::Output>,
{
    fn end_later(self, frame: FrameGuard, outcome: fn(&A::Output) -> Outcome) -> Self {
        match self {
            Self::Left(future) => Self::Left(future.end_later(frame, outcome)),
            Self::Right(future) => Self::Right(future.end_later(frame, outcome)),
        }
    }
}

pin_project! {
    /// Returned future that ends the frame of its function when it is ready.
    #[derive(Debug)]
    pub struct Ending<F: Future> {
        #[pin]
        future: F,
        frame: Option<FrameGuard>,
        outcome: fn(&F::Output) -> Outcome,
    }
}

impl<F: Future> Ending<F> {
    fn new(future: F, frame: FrameGuard, outcome: fn(&F::Output) -> Outcome) -> Self {
        Self {
            future,
            frame: Some(frame),
            outcome,
        }
    }
}

impl<F: Future> Future for Ending<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = match &*this.frame {
            Some(frame) => frame.poll_in_mode(|| this.future.poll(context)),
            None => this.future.poll(context),
        };
        if let Poll::Ready(value) = &polled
            && let Some(frame) = this.frame.take()
        {
            frame.finish((this.outcome)(value));
        }
        polled
    }
}
