//! Response body: the application's own, or a page with the snippet in it.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use crate::browser::inject::InjectedPage;
use crate::delayed::claims::Claim;
use crate::flush::stream::Streaming;
use crate::record::mixpanel::Mixpanel;

pin_project! {
    /// Body of a response.
    ///
    /// The body holds the claim on the delayed calls that it carries, and releases the claim if the
    /// body is never read. The application's own body is polled in the request's scope, so that
    /// calls which it records belong to the request.
    #[derive(Debug)]
    pub struct Body<B> {
        #[pin]
        content: Content<B>,
        claim: Option<Claim>,
        scope: Option<Mixpanel>,
    }
}

pin_project! {
    /// Content of a body.
    #[derive(Debug)]
    #[project = ContentProjection]
    pub(crate) enum Content<B> {
        /// Body of the application, untouched.
        Passthrough { #[pin] body: B },
        /// Body of the application, in memory.
        Whole { bytes: Bytes },
        /// Page in memory, with the snippet in it.
        Injected { page: InjectedPage },
        /// Body of the application, with the snippet inserted while it is sent.
        Streamed { #[pin] body: B, streaming: Box<Streaming>, is_finished: bool },
        /// Body of the application that failed while it was read into memory.
        Broken { error: Option<Box<dyn Error>> },
    }
}

impl<B: MessageBody> Body<B> {
    /// Wraps the application's body, which is polled in `scope` if there is one.
    pub(crate) fn passthrough(body: B, scope: Option<Mixpanel>) -> Self {
        Self::new(Content::Passthrough { body }, None, scope)
    }

    /// Creates a body that carries the claimed calls, and is polled in `scope` if there is one. The
    /// claim of an empty body is committed at once, because an empty body is dropped without being
    /// read.
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
            Content::Passthrough { body } => body.size(),
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
            ContentProjection::Passthrough { body } => poll_in(this.scope.as_ref(), body, cx)
                .map(|chunk| chunk.map(|bytes| bytes.map_err(Into::into))),
            ContentProjection::Streamed {
                body,
                streaming,
                is_finished,
            } => poll_streamed(body, streaming, this.scope.as_ref(), is_finished, cx),
            ContentProjection::Whole { bytes } if bytes.is_empty() => Poll::Ready(None),
            ContentProjection::Whole { bytes } => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            ContentProjection::Injected { page } => Poll::Ready(page.next_chunk().map(Ok)),
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
            Content::Passthrough { body } => body
                .try_into_bytes()
                .map_err(|body| Content::Passthrough { body }),
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

/// Polls the application's body in its request's scope.
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

/// Polls a streamed body until there is a chunk to send.
fn poll_streamed<B: MessageBody>(
    mut body: Pin<&mut B>,
    streaming: &mut Streaming,
    scope: Option<&Mixpanel>,
    is_finished: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Box<dyn Error>>>>
where
    B::Error: Into<Box<dyn Error>>,
{
    loop {
        if *is_finished {
            return Poll::Ready(None);
        }
        let output = match poll_in(scope, body.as_mut(), cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Some(Ok(chunk))) => streaming.push(chunk),
            Poll::Ready(None) => {
                *is_finished = true;
                streaming.finish()
            }
        };
        if !output.is_empty() {
            return Poll::Ready(Some(Ok(output)));
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
                page: insert(&page, 6, ["snip".into(), "pet".into()]),
            },
            None,
            None,
        )
    }

    #[test]
    fn injected_page_is_the_same_in_chunks_and_joined() {
        assert_eq!(injected().size(), BodySize::Sized(20));
        let whole: &[u8] = b"<head>snippet</head>";
        assert_eq!(injected().try_into_bytes().ok().as_deref(), Some(whole));
        let in_chunks = rt::System::new().block_on(body::to_bytes(injected()));
        assert_eq!(in_chunks.ok().as_deref(), Some(whole));
    }
}
