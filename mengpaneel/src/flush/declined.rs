//! Refusals of strategies: a label for metrics, and a text for the log.

use std::borrow::Cow;
use std::fmt;

use crate::call::Calls;
use crate::error::setup_mistake::SetupMistake;

/// Refusal of a strategy to accept a set of calls.
#[derive(Debug)]
pub(crate) struct StrategyDeclined {
    reason: DeclineReason,
    text: Cow<'static, str>,
}

impl StrategyDeclined {
    /// Label in metrics, one of a fixed set.
    pub(crate) fn label(&self) -> &'static str {
        self.reason.label()
    }

    /// Configuration mistake of the application that made the strategy decline. `None` if the
    /// application is not at fault, or if a shared cache costs nothing because there is no event.
    pub(crate) fn mistake(&self, calls: &Calls) -> Option<SetupMistake> {
        match self.reason {
            DeclineReason::Encoded => Some(SetupMistake::Encoded),
            DeclineReason::Policy => Some(SetupMistake::Policy(self.text.clone())),
            DeclineReason::SharedCache if !calls.is_setup_only() => Some(SetupMistake::SharedCache),
            DeclineReason::NoCookieKey => Some(SetupMistake::NoCookieKey),
            _ => None,
        }
    }
}

impl fmt::Display for StrategyDeclined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Kinds of refusal. The guide's page on operation lists their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclineReason {
    /// The response is not shown as a page.
    NotAPage,
    /// `Content-Encoding` hides the page.
    Encoded,
    /// The encoding of the page may read ASCII differently.
    Charset,
    /// The body is streamed.
    Streamed,
    /// AMP documents allow no other scripts.
    Amp,
    /// A policy of the page forbids the scripts.
    Policy,
    /// A shared cache may keep the response.
    SharedCache,
    /// An event is older than Mixpanel accepts from browsers.
    TooOld,
    /// The calls exceed the size limit of a page, a cookie or a response head.
    TooLarge,
    /// No call of the set may be delivered by a browser.
    ServerOnly,
    /// The set has setup calls only.
    SetupOnly,
    /// The response does not redirect.
    NoRedirect,
    /// A redirect or a script concerns another origin.
    OtherOrigin,
    /// Another site caused the request.
    CrossSite,
    /// The client stores no cookies.
    NoCookies,
    /// No `cookie_key` is configured.
    NoCookieKey,
    /// The client runs no calls of response headers.
    NotCapable,
    /// The outbox is full, unreachable or not configured.
    Outbox,
}

impl DeclineReason {
    /// Creates a refusal for this reason. The text is for the log.
    pub(crate) fn because(self, text: impl Into<Cow<'static, str>>) -> StrategyDeclined {
        StrategyDeclined {
            reason: self,
            text: text.into(),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::NotAPage => "not_a_page",
            Self::Encoded => "encoded",
            Self::Charset => "charset",
            Self::Streamed => "streamed",
            Self::Amp => "amp",
            Self::Policy => "policy",
            Self::SharedCache => "shared_cache",
            Self::TooOld => "too_old",
            Self::TooLarge => "too_large",
            Self::ServerOnly => "server_only",
            Self::SetupOnly => "setup_only",
            Self::NoRedirect => "no_redirect",
            Self::OtherOrigin => "other_origin",
            Self::CrossSite => "cross_site",
            Self::NoCookies => "no_cookies",
            Self::NoCookieKey => "no_cookie_key",
            Self::NotCapable => "not_capable",
            Self::Outbox => "outbox",
        }
    }
}
