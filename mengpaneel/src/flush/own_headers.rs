//! Response headers that carry calls: only those of this library may reach the client.

use actix_web::HttpMessage as _;
use actix_web::http::header::HeaderMap;

use crate::flush::Exchange;
use crate::settings::KeyNames;

/// Marks a request whose response carries calls of ours, so that another Mengpaneel outside of this
/// one does not remove them.
pub(crate) struct OwnCallsHeader;

impl<B> Exchange<B> {
    /// Removes headers with which an application, or a server behind it, would make the client run
    /// calls.
    pub(crate) fn remove_untrusted_call_headers(&mut self) {
        if !self
            .response
            .request()
            .extensions()
            .contains::<OwnCallsHeader>()
        {
            remove_call_headers(self.response.headers_mut(), &self.services.settings.names);
        }
    }
}

fn remove_call_headers(headers: &mut HeaderMap, names: &KeyNames) {
    for name in [&names.calls, &names.setup] {
        if headers.contains_key(name) {
            headers.remove(name);
        }
    }
}
