//! Consent of one visitor while calls are recorded: the request's decision, changed by opt-in and
//! opt-out calls.

use crate::call::{Call, Method, Properties};

/// Consent of one visitor, and what decided it.
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
    /// The status after an opt-in or opt-out.
    #[must_use]
    pub(crate) fn chosen(is_granted: bool) -> Self {
        Self {
            is_granted,
            is_explicit: true,
            overrules_cookie: false,
        }
    }
}

/// The decision for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The status on the request as it came.
    pub now: ConsentStatus,
    /// The status without mixpanel-js's opt-in or opt-out cookie.
    pub without_cookie: ConsentStatus,
}

/// The state of consent while calls are recorded and settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsentState {
    decision: Decision,
    /// The status from here on.
    pub now: ConsentStatus,
}

impl ConsentState {
    /// Begins with the request's decision.
    #[must_use]
    pub(crate) fn new(decision: Decision) -> Self {
        Self {
            decision,
            now: decision.now,
        }
    }

    /// The state as the request came.
    #[must_use]
    pub(crate) fn restarted(self) -> Self {
        Self::new(self.decision)
    }

    /// Applies an opt-in or opt-out call.
    pub(crate) fn apply(&mut self, kind: ConsentChangeKind) {
        self.now = match kind {
            ConsentChangeKind::OptIn => ConsentStatus::chosen(true),
            ConsentChangeKind::OptOut => ConsentStatus::chosen(false),
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

/// A recorded consent call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConsentChange {
    /// Effect of the call on the cookie.
    pub kind: ConsentChangeKind,
    /// The call's own options, as mixpanel-js takes them: they win over the configuration.
    pub options: Properties,
}

impl ConsentChange {
    /// The change that a call makes; `None` where the call does not concern consent.
    #[must_use]
    pub(crate) fn of(call: &Call) -> Option<Self> {
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

    /// The call that mixpanel-js makes along with the change, if it makes one: the event `$opt_in`,
    /// or the deletion of the profile where the caller asked for it.
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
