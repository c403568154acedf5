//! Configured rules of consent.

use std::fmt;
use std::sync::Arc;

use actix_web::HttpRequest;

/// Result of an application's own consent rule; see
/// [`Builder::consent`](crate::Builder::consent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consent {
    /// The visitor may be tracked.
    Granted,
    /// The visitor may not be tracked.
    Denied,
    /// The rule does not decide: mixpanel-js's cookies do, then `DNT` and `Sec-GPC`, then the
    /// default.
    #[default]
    Unknown,
}

/// An application's own consent rule.
pub(crate) type ConsentRule = Arc<dyn Fn(&HttpRequest) -> Consent + Send + Sync>;

/// Configured rules of consent.
#[derive(Default)]
pub(crate) struct ConsentPolicy {
    /// The application's own rule.
    pub rule: Option<ConsentRule>,
    /// True if `DNT: 1` denies consent.
    pub respect_dnt: bool,
    /// True if `Sec-GPC: 1` denies consent.
    pub respect_gpc: bool,
    /// True if consent is denied when no rule decides.
    pub is_denied_by_default: bool,
}

impl fmt::Debug for ConsentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentPolicy")
            .field("has_rule", &self.rule.is_some())
            .field("respect_dnt", &self.respect_dnt)
            .field("respect_gpc", &self.respect_gpc)
            .field("is_denied_by_default", &self.is_denied_by_default)
            .finish_non_exhaustive()
    }
}
