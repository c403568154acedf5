//! Builder of a Mengpaneel. All options are checked before anything starts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::Key;
use serde_json::Value;

use crate::call::Properties;
use crate::deliver::http::host::{ApiHost, Region};
use crate::deliver::sender::BeforeSend;
use crate::error::ErrorReporter;
use crate::mengpaneel::Mengpaneel;
use crate::outbox::{Memory, Outbox};
use crate::settings::Loader;
use crate::settings::consent::ConsentRule;
use crate::settings::proxies::ProxyHeaders;

mod build;
mod delivery;
mod env;
mod error;
mod page;
mod privacy;
mod token;

use crate::config::env::InvalidVariable;
pub use crate::config::error::BuildError;
pub use crate::config::token::Token;

/// URL at which Mixpanel publishes mixpanel-js.
const LIB_URL: &str = "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js";

/// Options of a [`Mengpaneel`]. Every option has a default.
///
/// ```
/// # fn main() -> Result<(), mengpaneel::BuildError> {
/// use mengpaneel::{Mengpaneel, Region};
/// use serde_json::json;
///
/// let mengpaneel = Mengpaneel::builder(std::env::var("MIXPANEL_TOKEN"))
///     .api_host(Region::Eu)
///     .js_config(json!({"persistence": "cookie", "ip": false}))
///     .on_error(|failure| eprintln!("{failure}"))
///     .build()?;
/// # let _ = mengpaneel;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is built"]
#[allow(clippy::struct_excessive_bools, reason = "independent options")]
pub struct Builder {
    token: Token,
    require_token: bool,
    /// Environment variable with an invalid value, reported by [`build`](Self::build).
    invalid_variable: Option<InvalidVariable>,
    name: Option<String>,
    api_host: ApiHost,
    js_api_host: Option<String>,
    lib_url: String,
    js_config: Value,
    loader: Loader,
    outbox: Option<Arc<dyn Outbox>>,
    failover_to_memory: bool,
    concurrency: usize,
    max_redeliveries: u32,
    service_account: Option<(String, String, String)>,
    max_header_bytes: usize,
    timeout: Duration,
    shutdown_timeout: Duration,
    retry_for: Duration,
    inject_into_streams: bool,
    consent: Option<ConsentRule>,
    respect_dnt: bool,
    respect_gpc: bool,
    ip: bool,
    trusted_proxies: Vec<String>,
    proxy_headers: ProxyHeaders,
    cookie_key: Option<Key>,
    fallback_after: Duration,
    max_fallback_copies: usize,
    set_device_cookie: bool,
    before_send: Option<BeforeSend>,
    reporter: ErrorReporter,
}

impl Mengpaneel {
    /// Starts a builder for the project with this token. Without a token tracking is disabled:
    /// nothing is recorded or injected, and one log line reports that.
    pub fn builder(token: impl Into<Token>) -> Builder {
        Builder {
            token: token.into(),
            require_token: false,
            invalid_variable: None,
            name: None,
            api_host: Region::Us.into(),
            js_api_host: None,
            lib_url: LIB_URL.to_owned(),
            js_config: Value::Object(Properties::new()),
            loader: Loader::default(),
            outbox: Some(Arc::new(Memory::default())),
            failover_to_memory: false,
            concurrency: 1,
            max_redeliveries: 10,
            service_account: None,
            max_header_bytes: 4 * 1024,
            timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            retry_for: Duration::from_secs(30 * 24 * 60 * 60),
            inject_into_streams: false,
            consent: None,
            respect_dnt: true,
            respect_gpc: true,
            ip: true,
            trusted_proxies: Vec::new(),
            proxy_headers: ProxyHeaders::default(),
            cookie_key: None,
            fallback_after: Duration::from_secs(5 * 60),
            max_fallback_copies: 10_000,
            set_device_cookie: false,
            before_send: None,
            reporter: ErrorReporter::default(),
        }
    }
}

impl Builder {
    /// Makes [`build`](Self::build) fail without a token. Default: tracking is then disabled.
    ///
    /// Intended for production, where a missing variable would otherwise disable tracking with one
    /// log line.
    pub fn require_token(self) -> Self {
        Self {
            require_token: true,
            ..self
        }
    }

    /// Names a second Mengpaneel on the same app. Its cookies and headers get the name as a suffix,
    /// and in the page it is the named instance of mixpanel-js. Lower-case letters, digits and `-`.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("has_token", &self.token.0.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
