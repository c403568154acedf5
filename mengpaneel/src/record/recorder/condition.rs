//! Conditions: calls that count only if their request ended in one way.

/// Condition under which a recorded call counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Counts always.
    #[default]
    Always,
    /// Counts if the request is answered with a status below 400.
    Response,
    /// Counts if the request is answered with another status, or not at all.
    FailedResponse,
    /// Counts unless the request is answered with status 404: a function returned `None`, and
    /// whether that is the response cannot be known before.
    Found,
    /// Counts if the request is answered with status 404.
    NotFound,
    /// Counts if the request found its way to a handler: calls of a guard that let it pass.
    Routed,
}

/// How the request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestOutcome {
    /// True if the request was answered with a status below 400.
    pub succeeded: bool,
    /// True if the request was routed to a handler.
    pub routed: bool,
    /// True if the request was answered with status 404.
    pub not_found: bool,
}

impl Condition {
    pub(crate) fn holds(self, ending: RequestOutcome) -> bool {
        match self {
            Self::Always => true,
            Self::Response => ending.succeeded,
            Self::FailedResponse => !ending.succeeded,
            Self::Found => !ending.not_found,
            Self::NotFound => ending.not_found,
            Self::Routed => ending.routed,
        }
    }
}
