//! Test support: test servers, HTTP clients that behave like browsers, scripts and machines, and
//! assertions on the calls and events they cause.

mod assertions;
mod client;
mod in_process_client;
mod log;
mod metered;
mod nginx;
mod response;
mod routes;
mod session_config;
mod test_app;
mod test_redis;

pub use assertions::{counted_event_names, event_names, flush_and_collect};
pub use client::{RequestBuilder, TestClient};
pub use in_process_client::InProcessClient;
pub use log::Log;
pub use metered::Metered;
pub use nginx::Nginx;
pub use response::{TestResponse, summarize};
pub use routes::event_route;
pub use session_config::SessionConfig;
pub use test_app::{TIMEOUT, TestApp};
pub use test_redis::TestRedis;

/// Starts a blog of one thread on a free port.
///
/// # Panics
///
/// If it cannot start.
#[must_use]
pub fn start_blog() -> blog::Blog {
    start_blog_with_identity(blog::Identity::Simplified)
}

/// Starts a blog for a Mixpanel project that uses this ID merge.
///
/// # Panics
///
/// If it cannot start.
#[must_use]
pub fn start_blog_with_identity(identity: blog::Identity) -> blog::Blog {
    // With a given URL, the blog makes no request to a CDN when it starts.
    let lib_url = Some("https://lib.example/mixpanel.js".to_owned());
    let config = blog::Config {
        workers: Some(1),
        lib_url,
        identity,
        ..blog::Config::default()
    };
    blog::Blog::start(config).unwrap_or_else(|error| panic!("{error}"))
}
