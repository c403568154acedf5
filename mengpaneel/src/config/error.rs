//! What a Mengpaneel cannot be built with.

use thiserror::Error;

use crate::deliver::http::DeliveryError;
use crate::deliver::http::host::ApiHostError;
use crate::outbox::OutboxError;

/// Why a Mengpaneel could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The name of a second Mengpaneel is part of header names.
    #[error("{0:?} cannot be a name: use lower-case letters, digits and `-`")]
    Name(String),
    /// There is no token, and [`require_token`](crate::Builder::require_token) asks for one.
    #[error(
        "no token was given, and `require_token` asks for one: set {variable} to the token of the Mixpanel project"
    )]
    NoToken {
        /// Name of the environment variable that usually has the token.
        variable: &'static str,
    },
    /// A variable of the environment has a value that cannot be used.
    #[error("{variable}: {problem}")]
    Environment {
        /// Name of the variable.
        variable: &'static str,
        /// Fault of its value, and the values that it takes.
        problem: String,
    },
    /// This process is not to drain the outbox, and no other process can.
    #[error(
        "concurrency(0) leaves delivery to other processes, but {problem}: name an outbox that they reach (`Redis`, \
         `File`), or remove `concurrency(0)`"
    )]
    Undrained {
        /// Why no other process can drain it.
        problem: String,
    },
    /// The configuration of mixpanel-js is no JSON object.
    #[error("js_config takes a JSON object, as mixpanel.init does, not {0}")]
    JsConfig(String),
    /// An option of mixpanel-js has a value that the server cannot follow.
    #[error(
        "js_config: {option} takes {expected}, not {value}; the server follows this option too: {server}"
    )]
    JsOption {
        /// The option.
        option: &'static str,
        /// Values that the option takes.
        expected: String,
        /// Value that was given.
        value: String,
        /// Use that the server makes of this option.
        server: &'static str,
    },
    /// mixpanel-js would keep opt-outs where the server cannot see them.
    #[error(
        "js_config: with opt_out_tracking_persistence_type \"localStorage\" the server cannot see who opted out, and \
         would track them: leave it at \"cookie\", or let the application decide by `consent(…)`"
    )]
    OptOutStorage,
    /// What the server delivers to is no base URL.
    #[error("api_host: {0}")]
    ApiHost(#[from] ApiHostError),
    /// What the page is told is no URL.
    #[error("{option}: {url:?} is no URL that a page can load from ({why})")]
    PageUrl {
        /// The option of the builder.
        option: &'static str,
        /// URL that was given, without user, password, query and fragment.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A trusted proxy is neither an address nor a network, nor `unix:`.
    #[error(
        "trusted_proxies: {0:?} is no address (`10.0.0.1`), no network (`10.0.0.0/8`) and not `unix:`"
    )]
    Proxy(String),
    /// There is no cookie to be given to visitors.
    #[error(
        "seed_cookie: js_config has mixpanel-js keep no cookie (`persistence`, `disable_persistence`)"
    )]
    SeedCookie,
    /// The hook cannot look at what another program translates.
    #[error(
        "before_send: this outbox hands calls to a program that translates them itself (Sidekiq), so that the hook \
         would not see them: remove the hook, or take the outbox `Redis`"
    )]
    BeforeSend,
    /// Nothing can be delivered: there are no certificates on this machine, most often.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The outbox cannot be used as it is.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The thread that delivers could not be started.
    #[error("the delivery thread cannot start: {0}")]
    Thread(#[from] std::io::Error),
}
