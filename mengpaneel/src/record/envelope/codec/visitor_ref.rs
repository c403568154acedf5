//! Borrowed visitor, as decoded from the header of an encoded envelope.

use crate::record::visitor::Visitor;

/// Borrowed [`Visitor`], with the envelope's `via_server` flag.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VisitorRef<'a> {
    pub cookie: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub url: Option<&'a str>,
    pub referrer: Option<&'a str>,
    pub has_session: bool,
    pub via_server: bool,
    /// See [`Visitor::omitted`].
    pub omitted: Option<&'a str>,
}

impl VisitorRef<'_> {
    /// See [`Visitor::is_server_to_server`].
    pub(crate) fn is_server_to_server(&self) -> bool {
        self.cookie.is_none() && !self.has_session
    }

    /// Clones the parts into an owned visitor.
    pub(crate) fn to_visitor(self) -> Visitor {
        Visitor {
            cookie: self.cookie.map(str::to_owned),
            ip: self.ip.map(str::to_owned),
            user_agent: self.user_agent.map(str::to_owned),
            url: self.url.map(str::to_owned),
            referrer: self.referrer.map(str::to_owned),
            has_session: self.has_session,
            omitted: self.omitted.map(str::to_owned),
        }
    }
}
