//! Run time of the attributes.
//!
//! Each call of an annotated function has a frame. It stores the captured values, and records the
//! attributes' calls once the outcome of the function is known.

pub(crate) mod captured;
pub mod finish;
mod frame;
pub mod outcome;

use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::call::json::{write_bool, write_text};
use crate::record::attribute::captured::CapturedValues;
use crate::record::attribute::frame::Frame;
use crate::record::current::{current, try_current};
use crate::record::mixpanel::{Amount, Id, Ids, Mixpanel, encode_id, encode_ids};
use crate::record::plan::AnnotationSite;
use crate::record::recorder::{CallSite, Checkpoint, Recorder};
use crate::record::scope_registry;

pub use crate::record::attribute::outcome::Outcome;
pub use crate::record::mixpanel::Lines;

/// Runs the body of a function, which may end early at a `return` or `?`.
pub fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Returns `None`, typed as an `Option` of the function's return type.
///
/// An async block has no place to write its return type. A branch that never runs returns the
/// content of this option, from which rustc infers the type.
#[must_use]
pub const fn type_hint<R>() -> Option<R> {
    None
}

/// Guard of the frame of one call of an annotated function.
///
/// If dropped before [`finish`](Self::finish), the function was cancelled or unwound and counts as
/// failed.
#[derive(Debug)]
#[must_use]
pub struct FrameGuard(Option<Arc<Frame>>);

/// Shared access to a frame, for a future that may outlive the function's locals.
#[derive(Clone, Debug)]
pub struct SharedFrame(Option<Arc<Frame>>);

impl FrameGuard {
    /// Creates the frame of a call of this function. Outside of any scope the call is reported once
    /// per call site.
    #[track_caller]
    pub fn enter(site: &'static AnnotationSite) -> Self {
        let Some(mixpanel) = try_current() else {
            if let Some(first) = site.calls.first() {
                scope_registry::report(Location::caller(), &first.method);
            }
            return Self(None);
        };
        let Some(recorder) = mixpanel.recorder() else {
            return Self(None);
        };
        let entry_seq = recorder.reserve_seq();
        Self(Some(Arc::new(Frame {
            mixpanel,
            site,
            entry_seq,
            captured: Mutex::new(CapturedValues::new(site.slots)),
            limit: None,
        })))
    }

    /// Limits a bare `#[setup]` to these lines if the function may pass the request on.
    pub fn limited(mut self, passes_on: bool, lines: Lines) -> Self {
        if let (Some(frame), true) = (self.0.as_mut().and_then(Arc::get_mut), passes_on) {
            frame.limit = Some(lines);
        }
        self
    }

    /// Returns access to the slots at the start of the function. `None` if nothing is recorded.
    pub fn entry(&self) -> Option<Captures<'_>> {
        let frame = self.0.as_deref()?;
        Some(Captures {
            frame,
            seq: frame.entry_seq,
        })
    }

    /// Returns access to the slots at this point of the body. `None` if nothing is recorded, so
    /// that the values are not evaluated.
    pub fn values(&self) -> Option<Captures<'_>> {
        Captures::new(self.0.as_deref()?)
    }

    /// Returns shared access to the frame, for an async block that owns its captures.
    #[must_use]
    pub fn share(&self) -> SharedFrame {
        SharedFrame(self.0.clone())
    }

    /// Records the calls of the attributes after the outcome of the function.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(frame) = self.0.take() {
            frame.record(outcome);
        }
    }

    /// Runs the body of a bare `#[setup]`, whose recorded calls are setup.
    pub fn run_in_setup<R>(&self, body: impl FnOnce() -> R) -> R {
        self.begin_setup().sync_scope(body)
    }

    /// Runs the async body of a bare `#[setup]`; see [`run_in_setup`](Self::run_in_setup).
    pub fn in_setup<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F> {
        self.begin_setup().scope(body)
    }

    /// Runs the body of a guard with a bare `#[setup]`; see [`run_in_setup`](Self::run_in_setup).
    ///
    /// The setup counts if the guard returns `true` and the request is routed.
    pub fn guard_in_setup(&self, body: impl FnOnce() -> bool) -> bool {
        let Some(recorder) = self.0.as_ref().and_then(|frame| frame.mixpanel.recorder()) else {
            return body();
        };
        let rollback = RollbackGuard {
            recorder,
            from: recorder.checkpoint(),
        };
        let passed = self.begin_setup().sync_scope(body);
        if passed {
            std::mem::forget(rollback);
        }
        passed
    }

    /// Polls a returned future in the mode of the function's body.
    fn poll_in_mode<R>(&self, poll: impl FnOnce() -> R) -> R {
        match self.0.as_deref() {
            Some(frame) if frame.is_bare() => frame.in_setup().sync_scope(poll),
            _ => poll(),
        }
    }

    fn begin_setup(&self) -> Mixpanel {
        let Some(frame) = self.0.as_deref() else {
            return current();
        };
        if let Some(recorder) = frame.mixpanel.recorder() {
            recorder.begin_setup(frame.setup_condition());
        }
        frame.in_setup()
    }
}

impl SharedFrame {
    /// Returns access to the slots; see [`FrameGuard::values`].
    pub fn values(&self) -> Option<Captures<'_>> {
        Captures::new(self.0.as_deref()?)
    }

    /// Returns shared access to the frame; see [`FrameGuard::share`].
    #[must_use]
    pub fn share(&self) -> Self {
        self.clone()
    }
}

/// Guard that rolls back the setup of a route guard that returned `false` or panicked.
struct RollbackGuard<'a> {
    recorder: &'a Recorder,
    from: Checkpoint,
}

impl Drop for RollbackGuard<'_> {
    fn drop(&mut self) {
        self.recorder
            .rollback(self.from, self.recorder.checkpoint());
    }
}

impl Drop for FrameGuard {
    fn drop(&mut self) {
        if let Some(frame) = self.0.take() {
            frame.record(Outcome::Failed);
        }
    }
}

/// Access to the slots of a frame at one point of a function.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'a> {
    frame: &'a Frame,
    seq: u64,
}

impl<'a> Captures<'a> {
    /// Reserves a sequence number for the values of this point. `None` if nothing is recorded.
    fn new(frame: &'a Frame) -> Option<Self> {
        let seq = frame.mixpanel.recorder()?.reserve_seq();
        Some(Self { frame, seq })
    }
}

impl Captures<'_> {
    /// Captures the value of a property.
    pub fn value<T: Serialize + ?Sized>(&self, slot: usize, name: &str, value: &T) {
        self.set(slot, |mixpanel, to| {
            mixpanel.encode_value(name, &|| self.call_site(slot), value, to);
            Some(())
        });
    }

    /// Captures an ID.
    pub fn id<T: Id + ?Sized>(&self, slot: usize, id: &T) {
        self.set(slot, |_, to| {
            encode_id(id, to);
            Some(())
        });
    }

    /// Captures an ID or a list of IDs.
    pub fn ids<T: Ids + ?Sized>(&self, slot: usize, ids: &T) {
        self.set(slot, |_, to| {
            encode_ids(ids, to);
            Some(())
        });
    }

    /// Captures the amount by which a property changes.
    pub fn amount<T: Amount>(&self, slot: usize, name: &str, amount: &T) {
        self.set(slot, |mixpanel, to| {
            mixpanel.encode_amount(name, &|| self.call_site(slot), amount, to)
        });
    }

    /// Captures the name of an event, a property or a list.
    pub fn text<T: AsRef<str> + ?Sized>(&self, slot: usize, text: &T) {
        self.set(slot, |_, to| {
            write_text(text.as_ref(), to);
            Some(())
        });
    }

    /// Captures a map or struct whose entries become properties.
    pub fn spread<T: Serialize + ?Sized>(&self, slot: usize, subject: &str, properties: &T) {
        self.set(slot, |mixpanel, to| {
            mixpanel.encode_properties(subject, &|| self.call_site(slot), properties, to);
            Some(())
        });
    }

    /// Captures the result of `when`: `false` before it is evaluated, then `true` inside its
    /// branch.
    pub fn when(&self, slot: usize, is_met: bool) {
        self.set(slot, |_, to| {
            write_bool(is_met, to);
            Some(())
        });
    }

    /// Returns the call site of the attribute that captures into this slot.
    fn call_site(&self, slot: usize) -> CallSite {
        let calls = self.frame.site.calls;
        let spec = calls.iter().find(|spec| spec.has_slot(slot));
        self.frame
            .call_site(spec.map(|spec| spec.line).unwrap_or_default())
    }

    fn set(&self, slot: usize, write: impl FnOnce(&Mixpanel, &mut Vec<u8>) -> Option<()>) {
        self.frame
            .captured()
            .set(slot, self.seq, |to| write(&self.frame.mixpanel, to));
    }
}
