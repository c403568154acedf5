//! The builder: what a Mengpaneel can be told, checked before anything starts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::Key;
use serde_json::Value;

use crate::call::Properties;
use crate::deliver::http::host::{ApiHost, Region};
use crate::deliver::sender::BeforeSend;
use crate::error::{ErrorReporter, Failure};
use crate::mengpaneel::Mengpaneel;
use crate::outbox::{Memory, Outbox};
use crate::settings::Loader;
use crate::settings::consent::{Consent, ConsentRule};
use crate::settings::proxies::ProxyHeaders;
use crate::translate::message::Message;

mod build;
mod env;
mod error;
mod token;

use crate::config::env::BadVariable;
pub use crate::config::error::BuildError;
pub use crate::config::token::Token;

/// Where Mixpanel publishes mixpanel-js.
const LIB_URL: &str = "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js";

/// What a [`Mengpaneel`] is to be told before it is built; every option has a default.
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
#[allow(clippy::struct_excessive_bools, reason = "options, each its own")]
pub struct Builder {
    token: Token,
    require_token: bool,
    /// Variable of the environment that cannot be used.
    bad_variable: Option<BadVariable>,
    name: Option<String>,
    api_host: ApiHost,
    js_api_host: Option<String>,
    lib_url: String,
    js_config: Value,
    loader: Loader,
    outbox: Option<Arc<dyn Outbox>>,
    failover_to_memory: bool,
    concurrency: usize,
    max_delivery_attempts: u32,
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
    failures: ErrorReporter,
}

impl Mengpaneel {
    /// Begins a Mengpaneel for the project of that token. Without a token tracking is off: nothing
    /// is recorded or injected, and one log line says so.
    pub fn builder(token: impl Into<Token>) -> Builder {
        Builder {
            token: token.into(),
            require_token: false,
            bad_variable: None,
            name: None,
            api_host: Region::Us.into(),
            js_api_host: None,
            lib_url: LIB_URL.to_owned(),
            js_config: Value::Object(Properties::new()),
            loader: Loader::default(),
            outbox: Some(Arc::new(Memory::default())),
            failover_to_memory: false,
            concurrency: 1,
            max_delivery_attempts: 10,
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
            failures: ErrorReporter::default(),
        }
    }
}

impl Builder {
    /// Makes [`build`](Self::build) fail without a token. Default: tracking is off then. For
    /// production, where a missing variable would otherwise switch tracking off with one log
    /// line.
    pub fn require_token(self) -> Self {
        Self {
            require_token: true,
            ..self
        }
    }

    /// Where the server delivers: a [`Region`], or a proxy's base URL. Default: [`Region::Us`].
    pub fn api_host(self, api_host: impl Into<ApiHost>) -> Self {
        Self {
            api_host: api_host.into(),
            ..self
        }
    }

    /// Where mixpanel-js in the page delivers, as its own `api_host`. Default: where the server
    /// does, if that is another region than the US; else what mixpanel-js takes by itself.
    pub fn js_api_host(self, url: impl Into<String>) -> Self {
        Self {
            js_api_host: Some(url.into()),
            ..self
        }
    }

    /// Where the page loads mixpanel-js from. Default: Mixpanel's CDN.
    pub fn lib_url(self, url: impl Into<String>) -> Self {
        Self {
            lib_url: url.into(),
            ..self
        }
    }

    /// What `mixpanel.init` is configured with, a JSON object, over our defaults:
    /// `{"opt_out_tracking_persistence_type":"cookie","api_payload_format":"json"}`.
    ///
    /// Options that concern what is sent, such as `property_blacklist`, bind the server too: the
    /// guide's page on [privacy](crate::guide::privacy) lists them all.
    pub fn js_config(self, config: Value) -> Self {
        Self {
            js_config: config,
            ..self
        }
    }

    /// When the page gets the code that loads mixpanel-js. Default: [`Loader::Always`].
    pub fn loader(self, loader: Loader) -> Self {
        Self { loader, ..self }
    }

    /// Names a second Mengpaneel on one app: its cookies and headers are suffixed, and
    /// in the page it is the named instance of mixpanel-js. Lower-case letters, digits and `-`.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// Where calls wait for the server. Default: [`Memory`].
    pub fn outbox(self, outbox: impl Outbox) -> Self {
        Self {
            outbox: Some(Arc::new(outbox)),
            ..self
        }
    }

    /// No outbox: what no browser can say, the server says before it answers.
    pub fn no_outbox(self) -> Self {
        Self {
            outbox: None,
            ..self
        }
    }

    /// Where the outbox cannot be opened (a file that is broken, a disk that is full), memory takes
    /// over, and a log line says so. Without this, [`build`](Self::build) fails.
    pub fn failover_to_memory(self) -> Self {
        Self {
            failover_to_memory: true,
            ..self
        }
    }

    /// How many batches are delivered at once from the outbox. Default: 1, which keeps the order in
    /// which they arrive. 0: this process only fills the outbox, and others drain it, as the
    /// program `mengpaneel-worker` does. With an outbox that no other process can reach,
    /// [`build`](Self::build) fails then.
    pub fn concurrency(self, batches: usize) -> Self {
        Self {
            concurrency: batches,
            ..self
        }
    }

    /// How often a record may be taken out of the outbox by a process that dies before it gives it
    /// back; then it is buried and told of, since it may be what kills them. Default: 10.
    pub fn max_delivery_attempts(self, deliveries: u32) -> Self {
        Self {
            max_delivery_attempts: deliveries,
            ..self
        }
    }

    /// A service account, in place of the token, to authorise `/import`.
    pub fn service_account(
        self,
        user: impl Into<String>,
        secret: impl Into<String>,
        project_id: impl Into<String>,
    ) -> Self {
        Self {
            service_account: Some((user.into(), secret.into(), project_id.into())),
            ..self
        }
    }

    /// Most bytes that the head of a response may have once calls or a carrier cookie are in it.
    /// All headers count, and the session cookie that an outer middleware may add. Default:
    /// 4,096, since nginx answers 502 where the head is larger than its `proxy_buffer_size`.
    /// What is longer goes by the server.
    pub fn max_header_bytes(self, bytes: usize) -> Self {
        Self {
            max_header_bytes: bytes,
            ..self
        }
    }

    /// How long one request to Mixpanel may take. Default: 10 seconds.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How long what waits is still sent once the last clone is gone. Default: 10 seconds.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self {
            shutdown_timeout: timeout,
            ..self
        }
    }

    /// Sets how long records are retried while Mixpanel is away, from when they were recorded.
    /// Default: 30 days; `/import` takes events of any age.
    ///
    /// An older record is given up at the next failed attempt: it becomes a dead letter where the
    /// outbox keeps those, and `on_error` is called with its calls. Where Mixpanel has been
    /// away for less than an hour, as far as this process knows, older records are retried too.
    /// While Mixpanel refuses the credentials no record grows too old. The size bounds of the
    /// outbox hold at any age; memory also ends with its process.
    pub fn retry_for(self, retry_for: Duration) -> Self {
        Self { retry_for, ..self }
    }

    /// Whether pages that are streamed are injected into. Default: no; their calls go by the
    /// server.
    pub fn inject_into_streams(self, inject: bool) -> Self {
        Self {
            inject_into_streams: inject,
            ..self
        }
    }

    /// The application's own consent rule, which decides before all others: by its session, by the
    /// cookie of a consent banner, by the visitor's country. On [`Consent::Unknown`] mixpanel-js's
    /// opt-in and opt-out cookies decide, then `DNT` and `Sec-GPC`, then mixpanel-js's
    /// `opt_out_tracking_by_default`.
    ///
    /// The rule runs once per request, before anything is recorded; a panic in it is the request's.
    /// A visitor without consent leaves no trace: see the guide's page on
    /// [privacy](crate::guide::privacy).
    ///
    /// ```
    /// use mengpaneel::{Consent, Mengpaneel};
    ///
    /// let builder = Mengpaneel::builder("token").consent(|request| match request.cookie("analytics") {
    ///     Some(cookie) if cookie.value() == "yes" => Consent::Granted,
    ///     Some(_) => Consent::Denied,
    ///     None => Consent::Unknown,
    /// });
    /// # let _ = builder;
    /// ```
    pub fn consent(self, rule: impl Fn(&HttpRequest) -> Consent + Send + Sync + 'static) -> Self {
        Self {
            consent: Some(Arc::new(rule)),
            ..self
        }
    }

    /// Sets whether `DNT: 1` denies consent, as in mixpanel-js. Default: yes. With `false`,
    /// mixpanel-js in the page ignores it too (`ignore_dnt`).
    pub fn respect_dnt(self, respect: bool) -> Self {
        Self {
            respect_dnt: respect,
            ..self
        }
    }

    /// Sets whether Mixpanel may locate visitors by their IP address. Default: yes. With `false`
    /// the server sends no address, and mixpanel-js in the page is configured with `ip: false`,
    /// which alone has the same effect in [`js_config`](Self::js_config).
    pub fn ip(self, send: bool) -> Self {
        Self { ip: send, ..self }
    }

    /// Sets whether `Sec-GPC: 1`, the signal of [Global Privacy Control](https://globalprivacycontrol.org),
    /// denies consent. Default: yes. mixpanel-js does not look at it: a page whose request sent the
    /// signal does not load mixpanel-js.
    pub fn respect_gpc(self, respect: bool) -> Self {
        Self {
            respect_gpc: respect,
            ..self
        }
    }

    /// Sets the proxies whose [`ProxyHeaders`] are believed: addresses, networks such as
    /// `10.0.0.0/8`, or `unix:` for every peer on a Unix socket. Default: none.
    pub fn trusted_proxies<I: IntoIterator<Item: Into<String>>>(self, proxies: I) -> Self {
        Self {
            trusted_proxies: proxies.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// Sets the headers that the trusted proxies send. The other family is ignored. Default:
    /// [`ProxyHeaders::XForwarded`].
    pub fn proxy_headers(self, headers: ProxyHeaders) -> Self {
        Self {
            proxy_headers: headers,
            ..self
        }
    }

    /// Key of the encrypted one-shot cookies that carry calls past a redirect to the next page.
    ///
    /// Without a key, calls of redirects are sent by the server, and one warning says so. The key
    /// that encrypts the application's session will do: the carrier's own key is derived from
    /// it. All processes that answer the same visitors need the same key.
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

    /// Time that delayed calls may wait for their page. After it the server delivers them: the
    /// visitor went away, or another redirect overwrote the cookie that held them. Default:
    /// five minutes.
    ///
    /// The copy that this takes is kept in the outbox, if that is a file or Redis: it outlives the
    /// process, and all that share a Redis know who said it. Else it is kept in memory, and a kill
    /// of the process loses it. Where a second process answers the same visitors and shares no
    /// Redis with this one, and of memory at an orderly end, only that is said which Mixpanel
    /// can tell from the page's own copy: events of visitors who were identified.
    pub fn fallback_after(self, time: Duration) -> Self {
        Self {
            fallback_after: time,
            ..self
        }
    }

    /// For how many redirects such a copy is kept in memory at once. Default: 10,000. What is past
    /// that is said by the page only.
    pub fn max_fallback_copies(self, copies: usize) -> Self {
        Self {
            max_fallback_copies: copies,
            ..self
        }
    }

    /// Gives a first-time visitor mixpanel-js's cookie with the page that they ask for, so that
    /// what the server says of their first request is of the same device as what their browser
    /// says. Default: no; mixpanel-js writes it itself, later.
    pub fn set_device_cookie(self, seed: bool) -> Self {
        Self {
            set_device_cookie: seed,
            ..self
        }
    }

    /// Looks at each message before the server sends it, and may change it; `false` drops it, as
    /// with [`Vec::retain_mut`]. What browsers send does not pass here.
    ///
    /// ```
    /// # use mengpaneel::Mengpaneel;
    /// let builder = Mengpaneel::builder("token").before_send(|message| {
    ///     if let Some(properties) = message.body.get_mut("properties") {
    ///         properties["ip"] = "0".into(); // nobody is located
    ///     }
    ///     message.body["event"] != "Health Check"
    /// });
    /// # let _ = builder;
    /// ```
    pub fn before_send(self, hook: impl Fn(&mut Message) -> bool + Send + Sync + 'static) -> Self {
        Self {
            before_send: Some(Arc::new(hook)),
            ..self
        }
    }

    /// Sets a hook that is called for every call that the server could not deliver, and for what
    /// was recorded wrongly, with the reason. Each failure is logged too, a hundred in ten
    /// seconds at most. A panic of the hook is logged.
    ///
    /// The hook is not called for what a browser was given and did not send, for events of robots,
    /// which mixpanel-js ignores (the feature `metrics` counts them), nor for visitors without
    /// consent.
    pub fn on_error(self, hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Self {
            failures: ErrorReporter::new(hook),
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
