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
    pub succeeded: bool,
    /// True if the request was routed to a handler.
    pub routed: bool,
    /// True if the response has status 404.
    pub not_found: bool,
}

impl Condition {
    /// Returns whether a call with this condition counts after an outcome.
    pub(crate) fn holds(self, outcome: RequestOutcome) -> bool {
        match self {
            Self::Always => true,
            Self::Response => outcome.succeeded,
            Self::FailedResponse => !outcome.succeeded,
            Self::Found => !outcome.not_found,
            Self::NotFound => outcome.not_found,
            Self::Routed => outcome.routed,
        }
    }
}
