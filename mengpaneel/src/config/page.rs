//! Options of pages and responses.

use actix_web::cookie::Key;
use serde_json::Value;

use crate::config::Builder;
use crate::settings::Loader;

/// # Pages and responses
impl Builder {
    /// Sets the base URL that mixpanel-js in the page sends to: its option `api_host`. Default: the
    /// host of the server's region, unless that is the US; otherwise mixpanel-js's own default.
    pub fn js_api_host(self, url: impl Into<String>) -> Self {
        Self {
            js_api_host: Some(url.into()),
            ..self
        }
    }

    /// Sets the URL that the page loads mixpanel-js from. Default: Mixpanel's CDN.
    pub fn lib_url(self, url: impl Into<String>) -> Self {
        Self {
            lib_url: url.into(),
            ..self
        }
    }

    /// Sets the configuration of `mixpanel.init`, a JSON object. It overrides the default
    /// `{"opt_out_tracking_persistence_type":"cookie","api_payload_format":"json"}`.
    ///
    /// Options about the contents of events, such as `property_blacklist`, also apply to the
    /// server. The guide's page on [privacy](crate::guide::privacy) lists all of them.
    pub fn js_config(self, config: Value) -> Self {
        Self {
            js_config: config,
            ..self
        }
    }

    /// Sets which pages get the code that loads mixpanel-js. Default: [`Loader::Always`].
    pub fn loader(self, loader: Loader) -> Self {
        Self { loader, ..self }
    }

    /// Sets whether the snippet is injected into streamed pages. Default: no; their calls are
    /// delivered by the server.
    pub fn inject_into_streams(self, inject: bool) -> Self {
        Self {
            inject_into_streams: inject,
            ..self
        }
    }

    /// Sets the maximum size of a response head with calls or a carrier cookie, in bytes. All
    /// headers count, and the session cookie that an outer middleware may add. Larger sets of calls
    /// are delivered by the server.
    ///
    /// Default: 4,096, since nginx answers 502 to a head that is larger than its
    /// `proxy_buffer_size`.
    pub fn max_header_bytes(self, bytes: usize) -> Self {
        Self {
            max_header_bytes: bytes,
            ..self
        }
    }

    /// Sets the key of the encrypted one-shot cookies that carry calls past a redirect to the next
    /// page.
    ///
    /// Without a key, the server delivers the calls of redirects, and one warning reports that. The
    /// key that encrypts the application's session can be used: the carrier's own key is derived
    /// from it. All processes that answer the same visitors need the same key.
    ///
    /// ```
    /// use actix_web::cookie::Key;
    /// use mengpaneel::Mengpaneel;
    ///
    /// let key = Key::from(&[7; 64]); // the application's own, read from its configuration
    /// let builder = Mengpaneel::builder("token").cookie_key(key);
    /// # let _ = builder;
    /// ```
    pub fn cookie_key(self, key: Key) -> Self {
        Self {
            cookie_key: Some(key),
            ..self
        }
    }

    /// Sets whether a first-time visitor receives mixpanel-js's cookie with the first page. The
    /// server's events of the first request then have the same device as the browser's events.
    /// Default: no; mixpanel-js writes the cookie itself, later.
    pub fn set_device_cookie(self, enabled: bool) -> Self {
        Self {
            set_device_cookie: enabled,
            ..self
        }
    }
}
