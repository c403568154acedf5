//! What the attributes come to at run time: a frame for each call of an annotated function, which
//! keeps the values taken on the way and records the calls once it is known how the function ended.

pub(crate) mod captured;
mod end;
pub mod finish;
pub mod outcome;

use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::call::value::{write_bool, write_text_value};
use crate::call::{Call, Mode};
use crate::record::current::{current, try_current};
use crate::record::mixpanel::{Amount, Id, Ids, Mixpanel, write_id, write_ids};
use crate::record::plan::{AnnotationSite, CallSpec, Kind};
use crate::record::recorder::{CallSite, Checkpoint, Condition, Entry, Recorder};
use crate::record::scope_registry;

use crate::record::attribute::captured::{Arguments, Captured, When};
use crate::record::attribute::end::condition;
pub use crate::record::attribute::outcome::Outcome;
pub use crate::record::mixpanel::Lines;
pub use crate::{
    __classify_outcome as classify_outcome, __finished as finished,
    __finished_opaque as finished_opaque,
};

/// True if a value is the request of a middleware, which it may pass on to the rest of the chain.
#[doc(hidden)]
#[macro_export]
macro_rules! __passes_on {
    ($value:expr) => {{
        use $crate::__private::outcome::{PassesOn as _, StaysHere as _};
        (&&$crate::__private::outcome::TypeProbe::of($value)).passes_on()
    }};
}

/// Runs the body of a function, which may end at any `return` or `?` in it.
pub fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// A value of this type that is not there: returned from a branch that is not taken, it tells an
/// async block what it returns.
#[must_use]
pub const fn type_hint<R>() -> Option<R> {
    None
}

/// One call of an annotated function. Dropped before [`end`](Self::end), it was cancelled or
/// unwound: it did not succeed.
#[derive(Debug)]
#[must_use]
pub struct CallGuard(Option<Arc<ActiveCall>>);

/// Access to a frame from a future that may outlive the function's own locals.
#[derive(Clone, Debug)]
pub struct SharedCaptures(Option<Arc<ActiveCall>>);

/// The state of a frame where calls are recorded at all.
#[derive(Debug)]
struct ActiveCall {
    mixpanel: Mixpanel,
    site: &'static AnnotationSite,
    /// The place of calls that take no value from the body.
    entered: u64,
    slots: Mutex<Captured>,
    /// The lines to which a bare `#[setup]` is limited.
    limit: Option<Lines>,
}

/// A call whose function ended in the way for it.
struct PendingCall {
    annotated: &'static CallSpec,
    condition: Condition,
    when: When,
    /// What it is called with; `None` where a value is missing.
    arguments: Option<Arguments>,
}

impl CallGuard {
    /// Begins a call of this function.
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
        let entered = recorder.reserve_seq();
        let slots = Mutex::new(Captured::new(site.slots));
        Self(Some(Arc::new(ActiveCall {
            mixpanel,
            site,
            entered,
            slots,
            limit: None,
        })))
    }

    /// Limits a bare `#[setup]` to these lines, where the function may pass the request on.
    pub fn limited(mut self, passes_on: bool, lines: Lines) -> Self {
        if let (Some(live), true) = (self.0.as_mut().and_then(Arc::get_mut), passes_on) {
            live.limit = Some(lines);
        }
        self
    }

    /// Where to put the values that can be captured at the start; `None` where nothing is recorded.
    pub fn entry(&self) -> Option<Captures<'_>> {
        let live = self.0.as_deref()?;
        Some(Captures {
            live,
            ticket: live.entered,
        })
    }

    /// Where to put the values that can be captured at this point; `None` where nothing is
    /// recorded, so that nothing is evaluated either.
    pub fn values(&self) -> Option<Captures<'_>> {
        self.0.as_deref()?.values()
    }

    /// Access to the frame for an async block that owns what it uses.
    #[must_use]
    pub fn share(&self) -> SharedCaptures {
        SharedCaptures(self.0.clone())
    }

    /// The function ended like this.
    pub fn finish(mut self, outcome: Outcome) {
        if let Some(live) = self.0.take() {
            live.record(outcome);
        }
    }

    /// Runs the body of a bare `#[setup]`: what it records by hand is setup.
    pub fn run_in_setup<R>(&self, body: impl FnOnce() -> R) -> R {
        self.begin_setup().sync_scope(body)
    }

    /// As [`run_in_setup`](Self::run_in_setup), for an async function.
    pub fn in_setup<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F> {
        self.begin_setup().scope(body)
    }

    /// As [`run_in_setup`](Self::run_in_setup), for a guard, whose setup counts if it passes and
    /// the request is routed.
    pub fn guard_in_setup(&self, body: impl FnOnce() -> bool) -> bool {
        let Some(recorder) = self.0.as_ref().and_then(|live| live.mixpanel.recorder()) else {
            return body();
        };
        let taking_back = RollbackGuard {
            recorder,
            from: recorder.checkpoint(),
        };
        let passed = self.begin_setup().sync_scope(body);
        if passed {
            std::mem::forget(taking_back);
        }
        passed
    }

    /// Polls a future that the function returned, in the mode of its body.
    fn poll_in_mode<R>(&self, poll: impl FnOnce() -> R) -> R {
        match self.0.as_deref() {
            Some(live) if live.is_bare() => live.in_setup().sync_scope(poll),
            _ => poll(),
        }
    }

    fn begin_setup(&self) -> Mixpanel {
        let Some(live) = self.0.as_deref() else {
            return current();
        };
        if let Some(recorder) = live.mixpanel.recorder() {
            recorder.begin_setup(live.setup_condition());
        }
        live.in_setup()
    }
}

impl SharedCaptures {
    /// As [`Frame::values`].
    pub fn values(&self) -> Option<Captures<'_>> {
        self.0.as_deref()?.values()
    }

    /// As [`Frame::share`].
    #[must_use]
    pub fn share(&self) -> Self {
        self.clone()
    }
}

/// Takes back the setup of a guard that did not let the request pass.
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

impl Drop for CallGuard {
    fn drop(&mut self) {
        if let Some(live) = self.0.take() {
            live.record(Outcome::Failed);
        }
    }
}

impl ActiveCall {
    fn values(&self) -> Option<Captures<'_>> {
        let ticket = self.mixpanel.recorder()?.reserve_seq();
        Some(Captures { live: self, ticket })
    }

    /// The place of an attribute on this line.
    fn place(&self, line: u32) -> CallSite {
        CallSite {
            file: self.site.file,
            line,
            route: self.site.routes().first(),
        }
    }

    fn is_bare(&self) -> bool {
        self.site.calls.iter().any(|annotated| annotated.bare)
    }

    /// Condition under which the setup of a bare `#[setup]` counts.
    fn setup_condition(&self) -> Condition {
        if self.site.kind == Kind::Guard {
            Condition::Routed
        } else {
            Condition::Always
        }
    }

    fn in_setup(&self) -> Mixpanel {
        self.mixpanel.in_setup(self.setup_condition(), self.limit)
    }

    fn slots(&self) -> MutexGuard<'_, Captured> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records, in the order of the modes, the calls whose condition and values are there.
    fn record(&self, outcome: Outcome) {
        let Some(recorder) = self.mixpanel.recorder() else {
            return;
        };
        let slots = std::mem::replace(&mut *self.slots(), Captured::new(0));
        let kind = self.site.kind();
        let ended = |annotated: &'static CallSpec| {
            let condition = condition(annotated.on, kind, outcome)?;
            let when = slots.met(annotated);
            let arguments = if when == When::True {
                slots.arguments(annotated, recorder)
            } else {
                None
            };
            Some(PendingCall {
                annotated,
                condition,
                when,
                arguments,
            })
        };
        let mut calls: Vec<PendingCall> = self.site.calls.iter().filter_map(ended).collect();
        self.record_mode(Mode::BeforeSetup, &mut calls);
        self.begin_setups(&calls);
        self.record_mode(Mode::Setup, &mut calls);
        self.record_mode(Mode::Tracking, &mut calls);
    }

    /// All setup of one function is one setup; one whose `when` was false has spoken.
    fn begin_setups(&self, calls: &[PendingCall]) {
        let Some(recorder) = self.mixpanel.recorder() else {
            return;
        };
        let mut begun = None;
        for call in calls
            .iter()
            .filter(|call| call.annotated.mode == Mode::Setup)
        {
            match call.when {
                When::False => recorder.mark_setup_decided(),
                When::NeverReached => {}
                When::True if call.arguments.is_none() => {}
                When::True => {
                    let before: &mut Condition = begun.get_or_insert(call.condition);
                    if *before != call.condition {
                        *before = Condition::Always;
                    }
                }
            }
        }
        if let (Some(condition), false) = (begun, self.is_bare()) {
            recorder.begin_setup(condition);
        }
    }

    fn record_mode(&self, mode: Mode, calls: &mut [PendingCall]) {
        let Some(recorder) = self.mixpanel.recorder() else {
            return;
        };
        for call in calls
            .iter_mut()
            .filter(|call| call.annotated.mode == mode && !call.annotated.bare)
        {
            let PendingCall {
                annotated,
                condition,
                ..
            } = *call;
            let Some(Arguments {
                args,
                ticket,
                stamp,
                may_have_id,
            }) = call.arguments.take()
            else {
                continue;
            };
            let via_server = annotated.via_server || self.mixpanel.is_via_server();
            let ticket = Some(ticket.unwrap_or(self.entered));
            let place = self.place(annotated.line);
            let call = Call::with_args(annotated.method.clone(), args);
            let entry = Entry {
                call,
                mode,
                via_server,
                condition,
                seq: ticket,
            };
            match stamp {
                Some(_) => recorder.record_with_meta(entry, stamp, may_have_id.then_some(place)),
                None => recorder.record_at(entry, place),
            }
        }
    }
}

/// Takes values at one point of a function.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'a> {
    live: &'a ActiveCall,
    ticket: u64,
}

impl Captures<'_> {
    /// The value of the property of this name.
    pub fn value<T: Serialize + ?Sized>(&self, slot: usize, name: &str, value: &T) {
        self.put(slot, |mixpanel, to| {
            mixpanel.value(name, &|| self.place(slot), value, to);
            Some(())
        });
    }

    /// An ID.
    pub fn id<T: Id + ?Sized>(&self, slot: usize, id: &T) {
        self.put(slot, |_, to| {
            write_id(id, to);
            Some(())
        });
    }

    /// An ID or a list of them.
    pub fn ids<T: Ids + ?Sized>(&self, slot: usize, ids: &T) {
        self.put(slot, |_, to| {
            write_ids(ids, to);
            Some(())
        });
    }

    /// The amount by which the property of this name is changed.
    pub fn amount<T: Amount>(&self, slot: usize, name: &str, amount: &T) {
        self.put(slot, |mixpanel, to| {
            mixpanel.amount(name, &|| self.place(slot), amount, to)
        });
    }

    /// The name of an event, of a property, or of a list.
    pub fn text<T: AsRef<str> + ?Sized>(&self, slot: usize, text: &T) {
        self.put(slot, |_, to| {
            write_text_value(text.as_ref(), to);
            Some(())
        });
    }

    /// A map or struct whose entries become properties.
    pub fn spread<T: Serialize + ?Sized>(&self, slot: usize, what: &str, properties: &T) {
        self.put(slot, |mixpanel, to| {
            mixpanel.properties(what, &|| self.place(slot), properties, to);
            Some(())
        });
    }

    /// What `when` says: first that it is false, then, inside of it, that it is true.
    pub fn when(&self, slot: usize, met: bool) {
        self.put(slot, |_, to| {
            write_bool(met, to);
            Some(())
        });
    }

    /// The place of the attribute that takes this value.
    fn place(&self, slot: usize) -> CallSite {
        let call = self.live.site.calls.iter().find(|call| call.has_slot(slot));
        self.live
            .place(call.map(|call| call.line).unwrap_or_default())
    }

    fn put(&self, slot: usize, write: impl FnOnce(&Mixpanel, &mut Vec<u8>) -> Option<()>) {
        self.live
            .slots()
            .put(slot, self.ticket, |to| write(&self.live.mixpanel, to));
    }
}
