//! What the attributes come to at run time: a frame for each call of an annotated function, which
//! keeps the values taken on the way and records the calls once it is known how the function ended.

pub mod outcome;
mod spec;

use std::future::Future;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};

use crate::call::{Call, Mode, Properties};
use crate::current::{current, tell_no_scope, try_current};
use crate::mixpanel::Mixpanel;
use crate::recorder::{Condition, Entry};

pub use crate::__outcome as ended;
pub use outcome::Outcome;
pub use spec::{Annotated, Argument, Kind, On, Property};

/// Runs the body of a function, which may end at any `return` or `?` in it.
pub fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// A value of this type that is not there: returned from a branch that is not taken, it tells an
/// async block what it returns.
#[must_use]
pub const fn nothing<R>() -> Option<R> {
    None
}

/// One call of an annotated function. Dropped before [`end`](Self::end), it was cancelled or
/// unwound: it did not succeed.
#[derive(Debug)]
#[must_use]
pub struct Frame(Option<Live>);

/// What a frame keeps where calls are recorded at all.
#[derive(Debug)]
struct Live {
    mixpanel: Mixpanel,
    calls: &'static [Annotated],
    kind: Kind,
    /// The place of calls that take no value from the body.
    entered: u64,
    slots: Mutex<Vec<Slot>>,
}

/// A value, once it was taken, and when.
#[derive(Clone, Debug, Default)]
struct Slot {
    value: Option<Value>,
    ticket: u64,
}

impl Frame {
    /// Begins a call of a function with these annotations, whose values take this many slots.
    #[track_caller]
    pub fn enter(kind: Kind, calls: &'static [Annotated], slots: usize) -> Self {
        let Some(mixpanel) = try_current() else {
            if let Some(first) = calls.first() {
                tell_no_scope(Location::caller(), &first.method);
            }
            return Self(None);
        };
        let Some(recorder) = mixpanel.recorder() else { return Self(None) };
        let entered = recorder.ticket();
        let slots = Mutex::new(vec![Slot::default(); slots]);
        Self(Some(Live { mixpanel, calls, kind, entered, slots }))
    }

    /// Where to put the values that can be taken at the start; `None` where nothing is recorded.
    pub fn entry(&self) -> Option<Values<'_>> {
        let live = self.0.as_ref()?;
        Some(Values { live, ticket: live.entered })
    }

    /// Where to put the values that can be taken at this point; `None` where nothing is recorded,
    /// so that nothing is evaluated either.
    pub fn values(&self) -> Option<Values<'_>> {
        let live = self.0.as_ref()?;
        let ticket = live.mixpanel.recorder()?.ticket();
        Some(Values { live, ticket })
    }

    /// The function ended like this.
    pub fn end(mut self, outcome: Outcome) {
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

    /// Runs the rest of the middleware chain in the mode in which the function was called.
    pub fn outside<F: Future>(&self, next: F) -> impl Future<Output = F::Output> + use<F> {
        let mixpanel = self.0.as_ref().map_or_else(current, |live| live.mixpanel.clone());
        mixpanel.scope(next)
    }

    fn begin_setup(&self) -> Mixpanel {
        let mixpanel = self.0.as_ref().map_or_else(current, |live| live.mixpanel.clone());
        if let Some(recorder) = mixpanel.recorder() {
            recorder.begin_setup(Condition::Always);
        }
        mixpanel.in_mode(Mode::Setup)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let Some(live) = self.0.take() {
            live.record(Outcome::Failed);
        }
    }
}

impl Live {
    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records, in the order of the modes, the calls whose condition and values are there.
    fn record(&self, outcome: Outcome) {
        let slots = std::mem::take(&mut *self.slots());
        self.record_mode(Mode::BeforeSetup, outcome, &slots);
        self.begin_setups(outcome, &slots);
        self.record_mode(Mode::Setup, outcome, &slots);
        self.record_mode(Mode::Tracking, outcome, &slots);
    }

    /// All setup of one function is one setup; one whose `when` was false has spoken.
    fn begin_setups(&self, outcome: Outcome, slots: &[Slot]) {
        let Some(recorder) = self.mixpanel.recorder() else { return };
        let mut begun = None;
        for annotated in self.calls.iter().filter(|annotated| annotated.mode == Mode::Setup) {
            let Some(condition) = annotated.on.condition(self.kind, outcome) else { continue };
            match annotated.met(slots) {
                When::False => recorder.speak(),
                When::NeverReached => {}
                When::True if annotated.arguments(slots).is_none() => {}
                When::True => {
                    let before: &mut Condition = begun.get_or_insert(condition);
                    if *before != condition {
                        *before = Condition::Always;
                    }
                }
            }
        }
        let bare = self.calls.iter().any(|annotated| annotated.bare);
        if let (Some(condition), false) = (begun, bare) {
            recorder.begin_setup(condition);
        }
    }

    fn record_mode(&self, mode: Mode, outcome: Outcome, slots: &[Slot]) {
        for annotated in self.calls.iter().filter(|annotated| annotated.mode == mode && !annotated.bare) {
            let Some(condition) = annotated.on.condition(self.kind, outcome) else { continue };
            if annotated.met(slots) != When::True {
                continue;
            }
            let Some((args, ticket)) = annotated.arguments(slots) else { continue };
            let via_server = annotated.via_server || self.mixpanel.is_via_server();
            let ticket = Some(ticket.unwrap_or(self.entered));
            let call = Call::new(annotated.method.clone(), args);
            self.mixpanel.record(Entry { call, mode, via_server, condition, ticket });
        }
    }
}

/// Whether what a call waits for was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    NeverReached,
    False,
    True,
}

impl Annotated {
    fn met(&self, slots: &[Slot]) -> When {
        let Some(slot) = self.when else { return When::True };
        match slots.get(slot).and_then(|slot| slot.value.as_ref()) {
            Some(Value::Bool(true)) => When::True,
            Some(_) => When::False,
            None => When::NeverReached,
        }
    }

    /// The arguments, and the place of the last value among them; `None` where one is missing.
    fn arguments(&self, slots: &[Slot]) -> Option<(Vec<Value>, Option<u64>)> {
        let mut taken = Taken { slots, last: None };
        if let Some(slot) = self.when {
            taken.slot(slot)?;
        }
        let args = self.args.iter().map(|arg| taken.argument(arg)).collect::<Option<_>>()?;
        Some((args, taken.last))
    }
}

/// Reads slots, and remembers when the last of them was taken.
struct Taken<'a> {
    slots: &'a [Slot],
    last: Option<u64>,
}

impl Taken<'_> {
    fn slot(&mut self, index: usize) -> Option<Value> {
        let slot = self.slots.get(index)?;
        self.last = self.last.max(Some(slot.ticket));
        slot.value.clone()
    }

    fn argument(&mut self, argument: &Argument) -> Option<Value> {
        match argument {
            Argument::Text(text) => Some(Value::from(*text)),
            Argument::Taken(index) => self.slot(*index),
            Argument::List(items) => items.iter().map(|item| self.argument(item)).collect(),
            Argument::KeepUser => Some(json!({"delete_user": false})),
            Argument::Properties(properties) => self.properties(properties).map(Value::Object),
        }
    }

    fn properties(&mut self, properties: &[Property]) -> Option<Properties> {
        let mut object = Properties::new();
        for property in properties {
            match property {
                Property::Named(name, value) => {
                    object.insert((*name).to_owned(), self.slot(*value)?);
                }
                Property::Computed(name, value) => {
                    let name = self.slot(*name)?.as_str()?.to_owned();
                    object.insert(name, self.slot(*value)?);
                }
                Property::Spread(value) => match self.slot(*value)? {
                    Value::Object(properties) => object.extend(properties),
                    _ => return None,
                },
            }
        }
        Some(object)
    }
}

/// Takes values at one point of a function.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    live: &'a Live,
    ticket: u64,
}

impl Values<'_> {
    /// The value of the property of this name.
    pub fn value<T: Serialize + ?Sized>(&self, slot: usize, name: &str, value: &T) {
        self.put(slot, Some(self.live.mixpanel.value(name, value)));
    }

    /// An ID.
    pub fn id<T: Serialize + ?Sized>(&self, slot: usize, method: &str, id: &T) {
        self.put(slot, self.live.mixpanel.id(method, id));
    }

    /// An ID or a list of them.
    pub fn ids<T: Serialize + ?Sized>(&self, slot: usize, method: &str, ids: &T) {
        self.put(slot, self.live.mixpanel.ids(method, ids));
    }

    /// The name of an event, of a property, or of a list.
    pub fn text<T: AsRef<str> + ?Sized>(&self, slot: usize, text: &T) {
        self.put(slot, Some(Value::from(text.as_ref())));
    }

    /// A map or struct whose entries become properties.
    pub fn spread<T: Serialize + ?Sized>(&self, slot: usize, what: &str, properties: &T) {
        self.put(slot, Some(self.live.mixpanel.properties(what, properties)));
    }

    /// What `when` says: first that it is false, then, inside of it, that it is true.
    pub fn when(&self, slot: usize, met: bool) {
        self.put(slot, Some(Value::Bool(met)));
    }

    fn put(&self, slot: usize, value: Option<Value>) {
        if let Some(slot) = self.live.slots().get_mut(slot) {
            *slot = Slot { value, ticket: self.ticket };
        }
    }
}
