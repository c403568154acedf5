//! Conditions: calls that count only after certain outcomes of the request.

/// Condition under which a recorded call counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The call always counts.
    #[default]
    Always,
    /// The call counts if the response has a status below 400.
    Response,
    /// The call counts if the response has another status, or if there is no response.
    FailedResponse,
    /// The call counts unless the response has status 404.
    ///
    /// For a function that returned `None`, which may or may not be the response.
    Found,
    /// The call counts if the response has status 404.
    NotFound,
    /// The call counts if the request is routed to a handler: calls of a guard that returned
    /// `true`.
    Routed,
}

/// Outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestOutcome {
    /// True if the response has a status below 400.
    pub is_success: bool,
    /// True if the request was routed to a handler.
    pub is_routed: bool,
    /// True if the response has status 404.
    pub is_not_found: bool,
}

impl Condition {
    /// Returns whether a call with this condition counts after an outcome.
    pub(crate) fn holds(self, outcome: RequestOutcome) -> bool {
        match self {
            Self::Always => true,
            Self::Response => outcome.is_success,
            Self::FailedResponse => !outcome.is_success,
            Self::Found => !outcome.is_not_found,
            Self::NotFound => outcome.is_not_found,
            Self::Routed => outcome.is_routed,
        }
    }
}
