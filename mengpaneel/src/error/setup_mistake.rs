//! Setup mistakes of an application: each is logged once per Mengpaneel, with the code to write.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::StatusCode;
use thiserror::Error;

use crate::error::log_text::{Quoted, one_line};

/// Setup mistake of an application, found at startup or by a request.
#[derive(Clone, Debug, Error)]
pub(crate) enum SetupMistake {
    /// A setup function is wrapped outside of its Mengpaneel, or there is none.
    #[error(
        "the setup function of before(…) does not run, so nobody is identified: no middleware of the same Mengpaneel is \
         wrapped around it, and one of another Mengpaneel does not count. The last wrap is the outermost. Around an app, \
         write one wrap instead:\n    \
         App::new()\n        \
         .wrap(mengpaneel.with_setup(signed_in))\n    \
         Around a scope inside of such an app:\n    \
         web::scope(\"/admin\").wrap(mengpaneel.before(administrator))"
    )]
    BeforeOutside,
    /// A second Mengpaneel on one app has the name of the first.
    #[error(
        "two Mengpaneels of the same name are wrapped around one app, so they overwrite each other's cookies, headers and \
         mixpanel in the page. Name the second one:\n    \
         Mengpaneel::builder(token).name(\"marketing\")\n    \
         Of one project, build one Mengpaneel, outside of the factory of the app, and clone it."
    )]
    SameName,
    /// The session middleware is wrapped inside, so a setup function outside of it reads no
    /// session.
    #[error(
        "SessionMiddleware is wrapped inside of the Mengpaneel, so a setup function reads an empty session and \
         identifies nobody. The last wrap is the outermost; wrap the session after the Mengpaneel:\n    \
         App::new()\n        \
         .wrap(mengpaneel.with_setup(signed_in))\n        \
         .wrap(SessionMiddleware::new(store, key))"
    )]
    SessionInside,
    /// An extractor of a setup function fails because of the application, not of the request.
    #[error(
        "an extractor of a setup function fails with status {status} ({}), so the function does not run, and nobody is \
         identified. Give the app what the extractor needs, for example:\n    \
         App::new().app_data(web::Data::new(db))",
        one_line(error)
    )]
    ExtractorFails {
        /// Status of the response that the extractor's error makes.
        status: StatusCode,
        /// Text of the extractor's error.
        error: String,
    },
    /// Calls of redirects have no carrier.
    #[error(
        "no cookie_key is configured, so calls of redirects cannot wait for the visitor's next page, and the server sends \
         them. No session carries them, of any library or version. Pass a key to the builder, for example the one \
         that encrypts the application's session:\n    \
         Mengpaneel::builder(token).cookie_key(key)"
    )]
    NoCookieKey,
    /// A proxy in front of the application hides the host that browsers see.
    #[error(
        "a browser reports that a page of this application made a request, but the request has another host than the \
         page: a proxy in front hides it. The server sends the calls of such scripts, and of redirects to full URLs. \
         Configure the proxy to forward the host, and trust the proxy:\n    \
         proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; # nginx\n    \
         Mengpaneel::builder(token).trusted_proxies([\"127.0.0.1\"])"
    )]
    HostHidden,
    /// A page is compressed before the snippet can be inserted.
    #[error(
        "a page has a Content-Encoding when it reaches the Mengpaneel, so the snippet cannot be inserted: the server \
         sends the calls, and mixpanel-js is not loaded. The last wrap is the outermost; wrap Compress after the Mengpaneel:\n    \
         App::new()\n        \
         .wrap(mengpaneel.with_setup(signed_in))\n        \
         .wrap(Compress::default())"
    )]
    Encoded,
    /// A policy of a page blocks the scripts.
    #[error(
        "{0}. Until then mixpanel-js does not run in such a page, and the server sends its calls. The guide's page on \
         privacy has a policy to copy"
    )]
    Policy(Cow<'static, str>),
    /// A response with calls may be stored by shared caches.
    #[error(
        "calls were recorded in a response that a shared cache may store, so no snippet and no cookie enters it. The \
         server sends the calls, but visitors who get the response from the cache are not tracked. Set on such responses:\n    \
         .insert_header((\"Cache-Control\", \"private\"))"
    )]
    SharedCache,
    /// A consent cookie made a response uncacheable.
    #[error(
        "a handler recorded opt-in or opt-out in a response that a shared cache may store, so the response got \
         Cache-Control: no-store, since its cookie belongs to one visitor. Set on such responses:\n    \
         .insert_header((\"Cache-Control\", \"no-store\"))"
    )]
    ConsentInSharedResponse,
}

impl SetupMistake {
    /// Returns the bit of this mistake in [`SetupMistakes::reported`].
    fn bit(&self) -> u32 {
        1 << match self {
            Self::BeforeOutside => 0,
            Self::SameName => 1,
            Self::SessionInside => 2,
            Self::ExtractorFails { .. } => 3,
            Self::NoCookieKey => 4,
            Self::Encoded => 5,
            Self::Policy(_) => 6,
            Self::SharedCache => 7,
            Self::ConsentInSharedResponse => 8,
            Self::HostHidden => 9,
        }
    }

    /// Returns whether calls are lost or mixed up until the mistake is corrected.
    fn is_error(&self) -> bool {
        matches!(self, Self::BeforeOutside | Self::SameName)
    }
}

/// Mistakes that one Mengpaneel has reported: one log line each, for any number of requests.
#[derive(Debug, Default)]
pub(crate) struct SetupMistakes {
    reported: AtomicU32,
}

impl SetupMistakes {
    /// Logs a mistake unless it was logged before. `path` is that of the request that found it.
    pub(crate) fn report(&self, mistake: &SetupMistake, path: Option<&str>) {
        let bit = mistake.bit();
        if self.reported.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        let path = path.map(|path| tracing::field::display(Quoted(path)));
        if mistake.is_error() {
            tracing::error!(target: "mengpaneel", path, "{mistake}");
        } else {
            tracing::warn!(target: "mengpaneel", path, "{mistake}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_have_distinct_bits() {
        let failing = SetupMistake::ExtractorFails {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "no data".into(),
        };
        let all = [
            SetupMistake::BeforeOutside,
            SetupMistake::SameName,
            SetupMistake::SessionInside,
            failing,
            SetupMistake::NoCookieKey,
            SetupMistake::Encoded,
            SetupMistake::Policy("sandboxed".into()),
            SetupMistake::SharedCache,
            SetupMistake::HostHidden,
            SetupMistake::ConsentInSharedResponse,
        ];
        let bits = all.iter().fold(0, |bits, mistake| bits | mistake.bit());
        assert_eq!(bits.count_ones() as usize, all.len());
    }
}
