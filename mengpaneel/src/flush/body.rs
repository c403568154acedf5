//! The body that leaves: the application's own, or the page with our block in it.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use crate::claims::Claim;

pin_project! {
    /// A body, and the claim on what it carries: given back if nobody ever reads it.
    #[derive(Debug)]
    pub struct Body<B> {
        #[pin]
        content: Content<B>,
        claim: Option<Claim>,
    }
}

pin_project! {
    /// What there is to read.
    #[derive(Debug)]
    #[project = ContentProjection]
    pub enum Content<B> {
        /// The application's.
        Own { #[pin] body: B },
        /// In memory.
        Whole { bytes: Bytes },
        /// The application's broke off while it was read.
        Broken { error: Option<Box<dyn Error>> },
    }
}

impl<B: MessageBody> Body<B> {
    /// The application's, untouched.
    pub fn own(body: B) -> Self {
        Self::new(Content::Own { body }, None)
    }

    /// A body that carries what was claimed. One that is empty is never read, only dropped: it
    /// keeps its claim at once.
    pub fn new(content: Content<B>, claim: Option<Claim>) -> Self {
        let mut body = Self { content, claim };
        if matches!(body.size(), BodySize::None | BodySize::Sized(0))
            && let Some(claim) = body.claim.take()
        {
            claim.keep();
        }
        body
    }
}

impl<B: MessageBody> MessageBody for Body<B>
where
    B::Error: Into<Box<dyn Error>>,
{
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Own { body } => body.size(),
            Content::Whole { bytes } => bytes.size(),
            Content::Broken { .. } => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if let Some(claim) = this.claim.take() {
            claim.keep();
        }
        match this.content.project() {
            ContentProjection::Own { body } => body.poll_next(cx).map(|next| next.map(|read| read.map_err(Into::into))),
            ContentProjection::Whole { bytes } if bytes.is_empty() => Poll::Ready(None),
            ContentProjection::Whole { bytes } => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            ContentProjection::Broken { error } => Poll::Ready(error.take().map(Err)),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { content, claim } = self;
        let bytes = match content {
            Content::Whole { bytes } => Ok(bytes),
            Content::Own { body } => body.try_into_bytes().map_err(|body| Content::Own { body }),
            broken @ Content::Broken { .. } => Err(broken),
        };
        match bytes {
            Ok(bytes) => {
                if let Some(claim) = claim {
                    claim.keep();
                }
                Ok(bytes)
            }
            Err(content) => Err(Self { content, claim }),
        }
    }
}
