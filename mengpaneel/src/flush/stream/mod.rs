//! Injection into a streamed page: a snippet at the end of the head, and a second one after the
//! last byte.
//!
//! The second snippet has the calls that were recorded while the page was sent.

use std::sync::Arc;

use actix_web::web::{Bytes, BytesMut};
use uuid::Uuid;

use crate::browser::charset;
use crate::browser::csp::CspResult;
use crate::browser::inject::{HeadEnd, Scanner};
use crate::browser::snippet::Snippet;
use crate::call::{Call, Calls};
use crate::deliver::dispatcher::Dispatcher;
use crate::flush::split;
use crate::record::envelope::Envelope;
use crate::record::recorder::Recorder;

/// Checks the snippet against the response's policies and those of the head's `meta` tags.
pub(crate) type CheckPolicy = Box<dyn Fn(&[String]) -> CspResult>;
/// Renders the snippet with a nonce. `None` if the page needs none.
pub(crate) type RenderSnippet = Box<dyn Fn(&Snippet, Option<&str>) -> Option<[Bytes; 2]>>;

/// Everything that the injection into one page needs.
pub(crate) struct StreamingConfig {
    pub check_policy: CheckPolicy,
    pub render: RenderSnippet,
    /// True if the response's head declares a safe encoding. Otherwise the page's content decides.
    pub is_charset_declared: bool,
    pub snippet: Arc<Snippet>,
    /// ID of the page view that both snippets belong to.
    pub page_view: Uuid,
    pub recorder: Arc<Recorder>,
    pub dispatcher: Arc<Dispatcher>,
    /// Calls of the snippet for the server, if the page turns out not to accept it.
    pub envelope: Option<Envelope>,
}

/// Injection into a page that is being sent. Holds back no more than an incomplete tag.
pub(crate) struct Streaming {
    config: StreamingConfig,
    scanner: Scanner,
    /// Bytes of the page that were not released yet.
    buffer: BytesMut,
    /// Number of bytes of the page that were released.
    released: usize,
    state: State,
    /// True if the page holds bytes that could make a browser guess another encoding.
    may_shift: bool,
    nonce: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The end of the head was not found yet.
    Searching,
    /// The snippet is in the page.
    Injected,
    /// The body is not a page, or the page forbids the snippet.
    Declined,
}

impl Streaming {
    /// Starts the injection. From here on the recorder buffers calls for the second snippet.
    pub(crate) fn new(config: StreamingConfig) -> Self {
        config.recorder.buffer_late_calls();
        Self {
            config,
            scanner: Scanner::default(),
            buffer: BytesMut::new(),
            released: 0,
            state: State::Searching,
            may_shift: false,
            nonce: None,
        }
    }

    /// Adds the next chunk of the page, and returns the bytes that can be sent.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        self.may_shift |= !self.config.is_charset_declared && charset::may_shift(&chunk);
        match self.state {
            State::Declined => return chunk,
            State::Injected => {
                self.scanner.feed(&chunk);
                return chunk;
            }
            State::Searching => {}
        }
        self.buffer.extend_from_slice(&chunk);
        match self.scanner.feed(&chunk) {
            HeadEnd::Open => self.release(self.scanner.releasable()),
            HeadEnd::EndsAt(at) => self.insert_snippet(at),
            HeadEnd::Fragment | HeadEnd::Amp => self.decline(),
        }
    }

    /// Ends the page, and returns the remaining bytes with the second snippet.
    pub(crate) fn finish(&mut self) -> Bytes {
        let rest = match self.state {
            State::Searching => match self.scanner.finish() {
                HeadEnd::EndsAt(at) => self.insert_snippet(at),
                HeadEnd::Open | HeadEnd::Fragment | HeadEnd::Amp => self.decline(),
            },
            State::Injected | State::Declined => Bytes::new(),
        };
        let Some((late, context)) = self.config.recorder.take_late_calls() else {
            return rest;
        };
        let is_large = split::argument_bytes(&late) > split::MAX_SNIPPET_BYTES;
        if self.state != State::Injected
            || is_large
            || self.may_shift
            || !self.scanner.is_in_body_content()
        {
            self.enqueue(late, context);
            return rest;
        }
        let (ours, excluded) =
            split::for_late_snippet(late, &context, || self.config.recorder.visitor());
        let snippet =
            self.config
                .snippet
                .render_late(&ours, self.config.page_view, self.nonce.as_deref());
        if !excluded.is_empty() {
            self.enqueue(excluded, context);
        }
        snippet.map_or(rest.clone(), |[begin, end]| {
            [rest, begin, end].concat().into()
        })
    }

    /// Inserts the snippet at an offset of the page, unless encoding or policies forbid it.
    fn insert_snippet(&mut self, at: usize) -> Bytes {
        if self.may_shift || (!self.config.is_charset_declared && self.scanner.has_unsafe_charset())
        {
            return self.decline();
        }
        let nonce = match (self.config.check_policy)(self.scanner.policies()) {
            CspResult::Allowed => None,
            CspResult::Nonce(nonce) => Some(nonce),
            CspResult::Forbidden(_) => return self.decline(),
        };
        let snippet = (self.config.render)(&self.config.snippet, nonce.as_deref());
        let (Some(offset), Some([begin, end])) = (at.checked_sub(self.released), snippet) else {
            return self.decline();
        };
        self.nonce = nonce;
        self.state = State::Injected;
        self.config.envelope = None;
        let buffer = self.buffer.split();
        let (before, after) = buffer.split_at(offset.min(buffer.len()));
        [before, &begin, &end, after].concat().into()
    }

    /// Gives up the injection: the server delivers the calls, and the page is sent as it is.
    fn decline(&mut self) -> Bytes {
        self.state = State::Declined;
        self.enqueue_envelope();
        self.buffer.split().freeze()
    }

    /// Takes the buffered bytes before an offset of the page.
    fn release(&mut self, until: usize) -> Bytes {
        let count = until.saturating_sub(self.released).min(self.buffer.len());
        self.released += count;
        self.buffer.split_to(count).freeze()
    }

    fn enqueue_envelope(&mut self) {
        if let Some(envelope) = self.config.envelope.take() {
            self.config.dispatcher.enqueue_detached(&envelope);
        }
    }

    fn enqueue(&self, calls: Calls, context: Vec<Call>) {
        self.config.dispatcher.enqueue_detached(&Envelope {
            context,
            ..self.config.recorder.envelope(calls)
        });
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming")
            .field("released", &self.released)
            .finish_non_exhaustive()
    }
}

/// Enqueues the calls that are not in the page: the body failed, or was not read to its end.
impl Drop for Streaming {
    fn drop(&mut self) {
        self.enqueue_envelope();
        if let Some((late, context)) = self.config.recorder.take_late_calls() {
            self.enqueue(late, context);
        }
    }
}

#[cfg(test)]
mod tests;
