//! Conditions: calls that count only if their request ended in one way.

/// What decides whether a recorded call counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It counts.
    #[default]
    Always,
    /// It counts if the request is answered with a status below 400.
    Response,
    /// It counts if the request is answered with another status, or not at all.
    FailedResponse,
    /// It counts unless the request is answered with status 404: a function returned `None`, and
    /// whether that is the response cannot be known before.
    Found,
    /// It counts if the request is answered with status 404.
    NotFound,
    /// It counts if the request found its way to a handler: calls of a guard that let it pass.
    Routed,
}

/// How the request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// It was answered with a status below 400.
    pub succeeded: bool,
    /// It was routed to a handler.
    pub routed: bool,
    /// It was answered with status 404.
    pub not_found: bool,
}

impl Condition {
    pub(super) fn holds(self, ending: Ending) -> bool {
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
