//! Consent of one visitor during recording.
//!
//! The request's decision applies first; opt-in and opt-out calls change it.

use crate::call::{Call, Method, Properties};

/// Consent of one visitor, and the rule that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConsentStatus {
    /// True if this visitor may be tracked.
    pub is_granted: bool,
    /// True if the application's rule or an opt-in decided. `DNT` no longer matters then, and the
    /// page's mixpanel-js must ignore it too.
    pub is_explicit: bool,
    /// True if the application's rule granted consent to a visitor who opted out by cookie. The
    /// page's mixpanel-js must not read that cookie.
    pub overrules_cookie: bool,
}

impl ConsentStatus {
    /// Creates the status after an opt-in or opt-out call.
    #[must_use]
    pub(crate) fn explicit(is_granted: bool) -> Self {
        Self {
            is_granted,
            is_explicit: true,
            overrules_cookie: false,
        }
    }
}

/// Decision for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Status at the start of the request.
    pub now: ConsentStatus,
    /// Status without mixpanel-js's opt-in or opt-out cookie.
    pub without_cookie: ConsentStatus,
}

/// State of consent while calls are recorded and finalized.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsentState {
    decision: Decision,
    /// Current status.
    pub now: ConsentStatus,
}

impl ConsentState {
    /// Creates the state from the request's decision.
    #[must_use]
    pub(crate) fn new(decision: Decision) -> Self {
        Self {
            decision,
            now: decision.now,
        }
    }

    /// Returns the state at the start of the request.
    #[must_use]
    pub(crate) fn restarted(self) -> Self {
        Self::new(self.decision)
    }

    /// Applies an opt-in or opt-out call.
    pub(crate) fn apply(&mut self, kind: ConsentChangeKind) {
        self.now = match kind {
            ConsentChangeKind::OptIn => ConsentStatus::explicit(true),
            ConsentChangeKind::OptOut => ConsentStatus::explicit(false),
            ConsentChangeKind::Clear => self.decision.without_cookie,
        };
    }
}

/// Effect of a consent call on mixpanel-js's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsentChangeKind {
    /// Sets the cookie to `1`.
    OptIn,
    /// Sets the cookie to `0`.
    OptOut,
    /// Removes the cookie.
    Clear,
}

/// Recorded consent call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConsentChange {
    /// Effect of the call on the cookie.
    pub kind: ConsentChangeKind,
    /// Options of the call, named as in mixpanel-js. They override the configuration.
    pub options: Properties,
}

impl ConsentChange {
    /// Returns the change that a call makes, or `None` if the call does not concern consent.
    #[must_use]
    pub(crate) fn from_call(call: &Call) -> Option<Self> {
        let kind = match call.method() {
            Method::OptInTracking => ConsentChangeKind::OptIn,
            Method::OptOutTracking => ConsentChangeKind::OptOut,
            Method::ClearOptInOutTracking => ConsentChangeKind::Clear,
            _ => return None,
        };
        let options = call
            .args()
            .first()
            .and_then(|options| options.as_object().cloned())
            .unwrap_or_default();
        Some(Self { kind, options })
    }

    /// Returns the call that mixpanel-js makes along with the change.
    ///
    /// For an opt-in it is the event `$opt_in`; for an opt-out with `delete_user` it deletes the
    /// profile. `None` otherwise.
    #[must_use]
    pub(crate) fn companion(&self) -> Option<Call> {
        match self.kind {
            ConsentChangeKind::OptIn => {
                let name = self
                    .options
                    .get("track_event_name")
                    .and_then(serde_json::Value::as_str);
                let name = name.filter(|name| !name.is_empty()).unwrap_or("$opt_in");
                let properties = self
                    .options
                    .get("track_properties")
                    .filter(|properties| properties.is_object());
                let properties = properties
                    .cloned()
                    .unwrap_or_else(|| Properties::new().into());
                Some(Call::new(Method::Track, vec![name.into(), properties]))
            }
            ConsentChangeKind::OptOut => {
                let deletes = self
                    .options
                    .get("delete_user")
                    .and_then(serde_json::Value::as_bool)
                    == Some(true);
                deletes.then(|| Call::new(Method::PeopleDeleteUser, vec![]))
            }
            ConsentChangeKind::Clear => None,
        }
    }
}
