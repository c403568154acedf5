//! A page that is written while it leaves: the block goes in as the head passes by, and a second
//! one after the last byte, with what was recorded meanwhile.

use std::sync::Arc;

use actix_web::web::{Bytes, BytesMut};
use uuid::Uuid;

use crate::browser::charset;
use crate::browser::csp::CspResult;
use crate::browser::inject::{HeadEnd, Scanner};
use crate::browser::snippet::Snippet;
use crate::call::Calls;
use crate::deliver::dispatcher::Dispatcher;
use crate::flush::split;
use crate::record::envelope::Envelope;
use crate::record::recorder::Recorder;

/// What becomes of a page's policy once the head's own `meta` tags are known too.
pub(crate) type CheckPolicy = Box<dyn Fn(&[String]) -> CspResult>;
/// The block under a nonce.
pub(crate) type RenderSnippet = Box<dyn Fn(&Snippet, Option<&str>) -> Option<[Bytes; 2]>>;

/// Injects into a page that flows by. Holds back no more than a tag that is cut.
pub(crate) struct Streaming {
    scanner: Scanner,
    /// Read, and not let go yet.
    held: BytesMut,
    /// How many bytes of the page were let go.
    sent: usize,
    state: State,
    /// True if the response's head declares a safe encoding: else what the page holds decides.
    is_declared: bool,
    /// True if the page holds bytes that could make a browser guess another encoding.
    may_shift: bool,
    judge: CheckPolicy,
    write: RenderSnippet,
    nonce: Option<String>,
    block: Arc<Snippet>,
    /// ID of the page view that both blocks belong to.
    page_view: Uuid,
    recorder: Arc<Recorder>,
    post: Arc<Dispatcher>,
    /// Goes by the server where the page turns out to be none.
    parcel: Option<Envelope>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The end of the head has not come by.
    Open,
    /// The block is in the page.
    Written,
    /// The page is none, or forbids it.
    Declined,
}

impl Streaming {
    /// Of `calls`, `parcel` is what the server is to say where the page cannot.
    pub(crate) fn new(
        (judge, write, is_declared): (CheckPolicy, RenderSnippet, bool),
        (block, page_view): (Arc<Snippet>, Uuid),
        recorder: Arc<Recorder>,
        post: Arc<Dispatcher>,
        parcel: Option<Envelope>,
    ) -> Self {
        recorder.buffer_late_calls();
        Self {
            scanner: Scanner::default(),
            held: BytesMut::new(),
            sent: 0,
            state: State::Open,
            is_declared,
            may_shift: false,
            judge,
            write,
            nonce: None,
            block,
            page_view,
            recorder,
            post,
            parcel,
        }
    }

    /// Takes the next piece of the page, and gives what can leave.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        self.may_shift |= !self.is_declared && charset::may_shift(&piece);
        match self.state {
            State::Declined => return piece,
            State::Written => {
                self.scanner.feed(&piece);
                return piece;
            }
            State::Open => {}
        }
        self.held.extend_from_slice(&piece);
        match self.scanner.feed(&piece) {
            HeadEnd::Open => self.release(self.scanner.settled()),
            HeadEnd::EndsAt(at) => self.insert_snippet(at),
            HeadEnd::Fragment | HeadEnd::Amp => self.decline(),
        }
    }

    /// The page ended. Gives what is still to leave.
    pub(crate) fn finish(&mut self) -> Bytes {
        let rest = match self.state {
            State::Open => match self.scanner.finish() {
                HeadEnd::EndsAt(at) => self.insert_snippet(at),
                HeadEnd::Open | HeadEnd::Fragment | HeadEnd::Amp => self.decline(),
            },
            State::Written | State::Declined => Bytes::new(),
        };
        let Some((late, context)) = self.recorder.take_late_calls() else {
            return rest;
        };
        let is_large = split::bytes(&late) > split::MAX_SNIPPET_BYTES;
        if self.state != State::Written
            || is_large
            || self.may_shift
            || !self.scanner.in_body_content()
        {
            self.send(late, context);
            return rest;
        }
        let (late, others) = split::for_late_block(late, &context, || self.recorder.visitor());
        let block = self
            .block
            .late(&late, self.page_view, self.nonce.as_deref());
        if !others.is_empty() {
            self.send(others, context);
        }
        block.map_or(rest.clone(), |[begin, end]| {
            [rest, begin, end].concat().into()
        })
    }

    fn insert_snippet(&mut self, at: usize) -> Bytes {
        if self.may_shift || (!self.is_declared && self.scanner.has_unsafe_charset()) {
            return self.decline();
        }
        let nonce = match (self.judge)(self.scanner.policies()) {
            CspResult::Allowed => None,
            CspResult::Nonce(nonce) => Some(nonce),
            CspResult::Forbidden(_) => return self.decline(),
        };
        let block = (self.write)(&self.block, nonce.as_deref());
        let (Some(place), Some([begin, end])) = (at.checked_sub(self.sent), block) else {
            return self.decline();
        };
        self.nonce = nonce;
        self.state = State::Written;
        self.parcel = None;
        let held = self.held.split();
        let (before, after) = held.split_at(place.min(held.len()));
        [before, &begin, &end, after].concat().into()
    }

    fn decline(&mut self) -> Bytes {
        self.state = State::Declined;
        if let Some(parcel) = self.parcel.take() {
            self.post.enqueue_detached(parcel);
        }
        self.held.split().freeze()
    }

    fn release(&mut self, until: usize) -> Bytes {
        let count = until.saturating_sub(self.sent).min(self.held.len());
        self.sent += count;
        self.held.split_to(count).freeze()
    }

    fn send(&self, calls: Calls, context: Vec<crate::call::Call>) {
        self.post.enqueue_detached(Envelope {
            context,
            ..self.recorder.parcel(calls)
        });
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming")
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// A page that broke off, or that nobody read to its end: what is not in it goes by the server.
impl Drop for Streaming {
    fn drop(&mut self) {
        if let Some(parcel) = self.parcel.take() {
            self.post.enqueue_detached(parcel);
        }
        if let Some((late, context)) = self.recorder.take_late_calls() {
            self.send(late, context);
        }
    }
}

#[cfg(test)]
mod tests;
