//! The body that leaves: the application's own, or the page with our block in it.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use crate::browser::inject::Injected;
use crate::delayed::claims::Claim;
use crate::flush::stream::Streaming;
use crate::record::mixpanel::Mixpanel;

pin_project! {
    /// Body of a response, with the claim on the delayed calls that it carries, which is released if nobody
    /// ever reads it, and with the scope in which the application's own body is polled.
    #[derive(Debug)]
    pub struct Body<B> {
        #[pin]
        content: Content<B>,
        claim: Option<Claim>,
        scope: Option<Mixpanel>,
    }
}

pin_project! {
    /// What there is to read.
    #[derive(Debug)]
    #[project = ContentProjection]
    pub(crate) enum Content<B> {
        /// The application's.
        Own { #[pin] body: B },
        /// In memory.
        Whole { bytes: Bytes },
        /// In memory, with our block in it.
        Injected { page: Injected },
        /// The application's, injected into as it flows by.
        Streamed { #[pin] body: B, streaming: Box<Streaming>, is_over: bool },
        /// The application's broke off while it was read.
        Broken { error: Option<Box<dyn Error>> },
    }
}

impl<B: MessageBody> Body<B> {
    /// Body of the application's, untouched, polled inside of `scope` if there is one.
    pub(crate) fn own(body: B, scope: Option<Mixpanel>) -> Self {
        Self::new(Content::Own { body }, None, scope)
    }

    /// Body that carries what was claimed, polled inside of `scope` if there is one. An empty body
    /// is never read, only dropped: its claim is committed at once.
    pub(crate) fn new(content: Content<B>, claim: Option<Claim>, scope: Option<Mixpanel>) -> Self {
        let mut body = Self {
            content,
            claim,
            scope,
        };
        if matches!(body.size(), BodySize::None | BodySize::Sized(0))
            && let Some(claim) = body.claim.take()
        {
            claim.commit();
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
            Content::Injected { page } => BodySize::Sized(page.len() as u64),
            Content::Streamed { .. } | Content::Broken { .. } => BodySize::Stream,
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if let Some(claim) = this.claim.take() {
            claim.commit();
        }
        match this.content.project() {
            ContentProjection::Own { body } => poll_in(this.scope.as_ref(), body, cx)
                .map(|next| next.map(|read| read.map_err(Into::into))),
            ContentProjection::Streamed {
                body,
                streaming,
                is_over,
            } => stream(body, streaming, this.scope.as_ref(), is_over, cx),
            ContentProjection::Whole { bytes } if bytes.is_empty() => Poll::Ready(None),
            ContentProjection::Whole { bytes } => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            ContentProjection::Injected { page } => Poll::Ready(page.next().map(Ok)),
            ContentProjection::Broken { error } => Poll::Ready(error.take().map(Err)),
        }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self {
            content,
            claim,
            scope,
        } = self;
        let bytes = match content {
            Content::Whole { bytes } => Ok(bytes),
            Content::Injected { page } => Ok(page.join()),
            Content::Own { body } => body.try_into_bytes().map_err(|body| Content::Own { body }),
            other @ (Content::Streamed { .. } | Content::Broken { .. }) => Err(other),
        };
        match bytes {
            Ok(bytes) => {
                if let Some(claim) = claim {
                    claim.commit();
                }
                Ok(bytes)
            }
            Err(content) => Err(Self {
                content,
                claim,
                scope,
            }),
        }
    }
}

/// Polls a body inside of its request's scope: what a streamed body records belongs to the request.
fn poll_in<B: MessageBody>(
    scope: Option<&Mixpanel>,
    body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, B::Error>>> {
    match scope {
        Some(mixpanel) => mixpanel.sync_scope(|| body.poll_next(cx)),
        None => body.poll_next(cx),
    }
}

/// The next piece that can leave.
fn stream<B: MessageBody>(
    mut body: Pin<&mut B>,
    streaming: &mut Streaming,
    scope: Option<&Mixpanel>,
    is_over: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Box<dyn Error>>>>
where
    B::Error: Into<Box<dyn Error>>,
{
    loop {
        if *is_over {
            return Poll::Ready(None);
        }
        let leaves = match poll_in(scope, body.as_mut(), cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Some(Ok(piece))) => streaming.push(piece),
            Poll::Ready(None) => {
                *is_over = true;
                streaming.finish()
            }
        };
        if !leaves.is_empty() {
            return Poll::Ready(Some(Ok(leaves)));
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::{self, BoxBody};
    use actix_web::rt;

    use super::*;
    use crate::browser::inject::insert;

    fn injected() -> Body<BoxBody> {
        let page = Bytes::from_static(b"<head></head>");
        Body::new(
            Content::Injected {
                page: insert(&page, 6, ["blo".into(), "ck".into()]),
            },
            None,
            None,
        )
    }

    #[test]
    fn an_injected_page_leaves_in_pieces_and_is_whole_for_who_asks() {
        assert_eq!(injected().size(), BodySize::Sized(18));
        let whole: &[u8] = b"<head>block</head>";
        assert_eq!(injected().try_into_bytes().ok().as_deref(), Some(whole));
        let in_pieces = rt::System::new().block_on(body::to_bytes(injected()));
        assert_eq!(in_pieces.ok().as_deref(), Some(whole));
    }
}
