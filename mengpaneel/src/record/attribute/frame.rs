//! Frame: state of one call of an annotated function, and the recording of its attributes' calls.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::call::{Call, Mode};
use crate::record::attribute::captured::{Arguments, CapturedValues, When};
use crate::record::attribute::outcome::Outcome;
use crate::record::mixpanel::{Lines, Mixpanel};
use crate::record::plan::{AnnotationSite, CallSpec, Kind};
use crate::record::recorder::{CallSite, Condition, Entry};

/// State of a frame. Exists only if calls are recorded.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) mixpanel: Mixpanel,
    pub(super) site: &'static AnnotationSite,
    /// Sequence number of calls that capture no value from the body.
    pub(super) entry_seq: u64,
    pub(super) captured: Mutex<CapturedValues>,
    /// Lines to which a bare `#[setup]` is limited.
    pub(super) limit: Option<Lines>,
}

/// Call that counts after the outcome of its function.
struct PendingCall {
    spec: &'static CallSpec,
    condition: Condition,
    when: When,
    /// `None` if a value is missing.
    arguments: Option<Arguments>,
}

impl Frame {
    /// Returns the call site of an attribute on this line.
    pub(super) fn call_site(&self, line: u32) -> CallSite {
        CallSite {
            file: self.site.file,
            line,
            route: self.site.routes().first(),
        }
    }

    /// Returns whether the function has a bare `#[setup]`.
    pub(super) fn is_bare(&self) -> bool {
        self.site.calls.iter().any(|spec| spec.bare)
    }

    /// Returns the condition under which the setup of a bare `#[setup]` counts.
    pub(super) fn setup_condition(&self) -> Condition {
        if self.site.kind == Kind::Guard {
            Condition::Routed
        } else {
            Condition::Always
        }
    }

    /// Returns the handle for the body of a bare `#[setup]`.
    pub(super) fn in_setup(&self) -> Mixpanel {
        self.mixpanel.in_setup(self.setup_condition(), self.limit)
    }

    pub(super) fn captured(&self) -> MutexGuard<'_, CapturedValues> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records, in the order of the modes, the calls whose condition holds and whose values are
    /// present.
    pub(super) fn record(&self, outcome: Outcome) {
        let Some(recorder) = self.mixpanel.recorder() else {
            return;
        };
        let captured = std::mem::replace(&mut *self.captured(), CapturedValues::new(0));
        let kind = self.site.kind();
        let pending = |spec: &'static CallSpec| {
            let condition = outcome.condition(spec.on, kind)?;
            let when = captured.when(spec);
            let arguments = if when == When::True {
                captured.arguments(spec, recorder)
            } else {
                None
            };
            Some(PendingCall {
                spec,
                condition,
                when,
                arguments,
            })
        };
        let mut calls: Vec<PendingCall> = self.site.calls.iter().filter_map(pending).collect();
        self.record_mode(Mode::BeforeSetup, &mut calls);
        self.begin_setup(&calls);
        self.record_mode(Mode::Setup, &mut calls);
        self.record_mode(Mode::Tracking, &mut calls);
    }

    /// Begins one setup for all `#[setup]` of the function. A `when` that was false decides the
    /// setup too.
    fn begin_setup(&self, calls: &[PendingCall]) {
        let Some(recorder) = self.mixpanel.recorder() else {
            return;
        };
        let mut setup_condition = None;
        for call in calls.iter().filter(|call| call.spec.mode == Mode::Setup) {
            match call.when {
                When::False => recorder.mark_setup_decided(),
                When::NeverReached => {}
                When::True if call.arguments.is_none() => {}
                When::True => {
                    let first: &mut Condition = setup_condition.get_or_insert(call.condition);
                    if *first != call.condition {
                        *first = Condition::Always;
                    }
                }
            }
        }
        if let (Some(condition), false) = (setup_condition, self.is_bare()) {
            recorder.begin_setup(condition);
        }
    }

    fn record_mode(&self, mode: Mode, calls: &mut [PendingCall]) {
        let Some(recorder) = self.mixpanel.recorder() else {
            return;
        };
        for call in calls
            .iter_mut()
            .filter(|call| call.spec.mode == mode && !call.spec.bare)
        {
            let PendingCall {
                spec, condition, ..
            } = *call;
            let Some(Arguments {
                args,
                seq,
                event_id,
            }) = call.arguments.take()
            else {
                continue;
            };
            let site = self.call_site(spec.line);
            let entry = Entry {
                call: Call::with_args(spec.method.clone(), args),
                mode,
                via_server: spec.via_server || self.mixpanel.is_via_server(),
                condition,
                seq: Some(seq.unwrap_or(self.entry_seq)),
            };
            match event_id {
                Some(event_id) => recorder.record_with_meta(entry, event_id, site),
                None => recorder.record_at(entry, site),
            }
        }
    }
}
