//! Errors of the builder.

use thiserror::Error;

use crate::deliver::http::DeliveryError;
use crate::deliver::http::host::ApiHostError;
use crate::outbox::OutboxError;

/// Reason why a Mengpaneel could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The name of a second Mengpaneel cannot be a part of header names.
    #[error("{0:?} cannot be a name: use lower-case letters, digits and `-`")]
    Name(String),
    /// There is no token, but [`require_token`](crate::Builder::require_token) was called.
    #[error(
        "there is no token, but `require_token` was called: set {variable} to the token of the Mixpanel project"
    )]
    NoToken {
        /// Name of the environment variable that usually contains the token.
        variable: &'static str,
    },
    /// An environment variable has an invalid value.
    #[error("{variable}: {problem}")]
    Environment {
        /// Name of the variable.
        variable: &'static str,
        /// Problem with the value, and the valid values.
        problem: String,
    },
    /// This process does not drain the outbox, and no other process can.
    #[error(
        "concurrency(0) requires delivery by other processes, but {problem}: use an outbox that they can reach \
         (`Redis`, `File`), or remove `concurrency(0)`"
    )]
    Undrained {
        /// Reason why no other process can drain the outbox.
        problem: String,
    },
    /// The configuration of mixpanel-js is not a JSON object.
    #[error("js_config must be a JSON object, as for mixpanel.init, not {0}")]
    JsConfig(String),
    /// An option of mixpanel-js has a value that the server cannot apply.
    #[error(
        "js_config: {option} must be {expected}, not {value}; the server applies this option too: {server}"
    )]
    JsOption {
        /// Name of the option.
        option: &'static str,
        /// Valid values of the option.
        expected: String,
        /// Configured value.
        value: String,
        /// Effect of the option on the server.
        server: &'static str,
    },
    /// mixpanel-js would store opt-outs where the server cannot read them.
    #[error(
        "js_config: with opt_out_tracking_persistence_type \"localStorage\" the server cannot read opt-outs, and \
         would track those visitors: use \"cookie\", or let the application decide by `consent(…)`"
    )]
    OptOutStorage,
    /// The host that the server delivers to is not a base URL.
    #[error("api_host: {0}")]
    ApiHost(#[from] ApiHostError),
    /// A URL for the page is invalid.
    #[error("{option}: a page cannot use the URL {url:?}: {reason}")]
    PageUrl {
        /// Name of the builder's option.
        option: &'static str,
        /// Configured URL, without user, password, query and fragment.
        url: String,
        /// Problem with the URL.
        reason: String,
    },
    /// A trusted proxy is neither an address nor a network, nor `unix:`.
    #[error(
        "trusted_proxies: {0:?} is neither an address (`10.0.0.1`) nor a network (`10.0.0.0/8`) nor `unix:`"
    )]
    Proxy(String),
    /// mixpanel-js is configured to use no cookie, so that none can be set for visitors.
    #[error(
        "set_device_cookie: mixpanel-js uses no cookie (`persistence` or `disable_persistence` in js_config)"
    )]
    DeviceCookie,
    /// Another program translates the calls, so that the hook cannot be called.
    #[error(
        "before_send: another program translates the calls of this outbox (Sidekiq), so that the hook would not be \
         called: remove the hook, or use the outbox `Redis`"
    )]
    BeforeSend,
    /// Delivery is impossible, usually because this machine has no certificates.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The outbox cannot be opened.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The delivery thread could not be started.
    #[error("could not start the delivery thread: {0}")]
    Thread(#[from] std::io::Error),
}
