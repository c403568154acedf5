//! Page bodies: read into memory before the flush, so that strategies need not wait.

use std::error::Error;

use actix_web::body::{BodySize, MessageBody, to_bytes_limited};

use crate::flush::body::Content;
use crate::flush::{Exchange, client_side};

/// Maximum size of a page that is read into memory. Only a body of a known size is read.
const MAX_PAGE_BYTES: u64 = 4 << 20;

impl<B> Exchange<B>
where
    B: MessageBody,
    B::Error: Into<Box<dyn Error>>,
{
    /// Reads the response's body into memory if it may be a page.
    ///
    /// Called before the recorder is finalized: a client that disconnects meanwhile loses no calls.
    pub(crate) async fn read_page(&mut self) {
        if let Some(body) = self.take_unread_page() {
            // Boxed, so that the future of the other requests stays small.
            self.body = Some(Box::pin(self.scope().scope(read(body))).await);
        }
    }

    /// Takes a page's body that must be polled. `None` if the body is in memory by now, may not be
    /// read, or is no page.
    fn take_unread_page(&mut self) -> Option<B> {
        client_side::check_page(self).ok()?;
        let Some(Content::Passthrough { body }) = self.body.take() else {
            return None;
        };
        self.body = Some(match body.try_into_bytes() {
            Ok(bytes) => Content::Whole { bytes },
            Err(body) if matches!(body.size(), BodySize::Sized(size) if size <= MAX_PAGE_BYTES) => {
                return Some(body);
            }
            Err(body) => Content::Passthrough { body },
        });
        None
    }
}

async fn read<B: MessageBody>(body: B) -> Content<B>
where
    B::Error: Into<Box<dyn Error>>,
{
    match to_bytes_limited(body, usize::try_from(MAX_PAGE_BYTES).unwrap_or(usize::MAX)).await {
        Ok(Ok(bytes)) => Content::Whole { bytes },
        Ok(Err(error)) => Content::Broken {
            error: Some(error.into()),
        },
        Err(error) => Content::Broken {
            error: Some(error.into()),
        },
    }
}
