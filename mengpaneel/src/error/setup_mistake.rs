//! Wrong set-ups of an application: each is logged once per Mengpaneel, with the lines to write.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::StatusCode;
use thiserror::Error;

use crate::error::log_text::{Quoted, one_line};

/// Wrong set-up of an application, found while it starts or by a request.
#[derive(Clone, Debug, Error)]
pub(crate) enum SetupMistake {
    /// A setup function stands outside of its Mengpaneel, or without one.
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
    /// The session middleware stands inside, so that a setup function outside of it sees no
    /// session.
    #[error(
        "SessionMiddleware is wrapped inside of the Mengpaneel, so a setup function reads an empty session and \
         identifies nobody. The last wrap is the outermost; wrap the session after the Mengpaneel:\n    \
         App::new()\n        \
         .wrap(mengpaneel.with_setup(signed_in))\n        \
         .wrap(SessionMiddleware::new(store, key))"
    )]
    SessionInside,
    /// An extractor of a setup function fails for a reason of the application's.
    #[error(
        "an extractor of a setup function fails with status {status} ({}), so the function does not run, and nobody is \
         identified. Give the app what the extractor needs, for example:\n    \
         App::new().app_data(web::Data::new(db))",
        one_line(error)
    )]
    ExtractorFails {
        /// Status that the extractor's error would be answered with.
        status: StatusCode,
        /// Text of the extractor's error.
        error: String,
    },
    /// Calls of redirects have nothing that carries them.
    #[error(
        "no cookie_key is configured, so calls of redirects cannot wait for the visitor's next page, and the server sends \
         them. No session carries them, of whatever library and version. Give the builder a key, for example the one \
         that encrypts the application's session:\n    \
         Mengpaneel::builder(token).cookie_key(key)"
    )]
    NoCookieKey,
    /// A proxy in front hides the host that browsers see.
    #[error(
        "a browser says that a page of this application made a request, but the request names another host than that \
         page has: a proxy in front hides it. So calls of such scripts, and of redirects to full URLs, go by the server. \
         Have the proxy pass the host on, and name the proxy:\n    \
         proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; # nginx\n    \
         Mengpaneel::builder(token).trusted_proxies([\"127.0.0.1\"])"
    )]
    HostHidden,
    /// A page is encoded before anything can be inserted.
    #[error(
        "a page has a Content-Encoding when it reaches the Mengpaneel, so nothing can be inserted: the server sends its \
         calls, and mixpanel-js is not loaded. The last wrap is the outermost; wrap Compress after the Mengpaneel:\n    \
         App::new()\n        \
         .wrap(mengpaneel.with_setup(signed_in))\n        \
         .wrap(Compress::default())"
    )]
    Encoded,
    /// A policy of a page stops the scripts.
    #[error(
        "{0}. Until then mixpanel-js does not run in such a page, and the server sends its calls. The guide's page on \
         privacy has a policy to copy"
    )]
    Policy(Cow<'static, str>),
    /// A response with calls may be stored by shared caches.
    #[error(
        "calls were recorded in a response that a shared cache may store, so nothing of ours enters it. The server sends \
         them, but who is answered by the cache is not tracked. Answer such requests with:\n    \
         .insert_header((\"Cache-Control\", \"private\"))"
    )]
    SharedCache,
    /// A consent cookie took a response out of shared caches.
    #[error(
        "a handler recorded opt-in or opt-out in a response that a shared cache may store, so the response got \
         Cache-Control: no-store, since its cookie is one visitor's. Answer such requests with:\n    \
         .insert_header((\"Cache-Control\", \"no-store\"))"
    )]
    ConsentInSharedResponse,
}

impl SetupMistake {
    /// Bit of this mistake among those that were reported.
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

    /// Returns whether calls get lost or mixed up until it is mended.
    fn is_error(&self) -> bool {
        matches!(self, Self::BeforeOutside | Self::SameName)
    }
}

/// Mistakes that one Mengpaneel has reported: one line each, however many requests meet them.
#[derive(Debug, Default)]
pub(crate) struct SetupMistakes {
    reported: AtomicU32,
}

impl SetupMistakes {
    /// Logs a mistake unless it was logged before, with the path of a request that met it.
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
    fn each_mistake_has_a_bit_of_its_own() {
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
