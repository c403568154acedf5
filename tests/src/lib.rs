//! The blog seen from outside: visitors that ask over HTTP as browsers, scripts and machines do,
//! and what their pages would run.

mod arrivals;
mod guest;
mod log;
mod nginx;
mod page;
mod redis;
mod sessions;
mod visitor;
mod workshop;

pub use arrivals::{counted, names, settle};
pub use guest::Guest;
pub use log::Log;
pub use nginx::Nginx;
pub use page::{Page, said};
pub use redis::Redis;
pub use sessions::Sessions;
pub use visitor::{Ask, Visitor};
pub use workshop::{DEADLINE, Workshop};

/// A blog of one thread, on a free port.
///
/// # Panics
///
/// Where it cannot start.
#[must_use]
pub fn blog() -> blog::Blog {
    blog_of(blog::Identity::Simplified)
}

/// A blog as [`blog()`] starts it, for a Mixpanel project with that ID merge.
///
/// # Panics
///
/// Where it cannot start.
#[must_use]
pub fn blog_of(identity: blog::Identity) -> blog::Blog {
    // Asks no CDN at start-up.
    let lib_url = Some("https://lib.example/mixpanel.js".to_owned());
    let config = blog::Config {
        workers: Some(1),
        lib_url,
        identity,
        ..blog::Config::default()
    };
    blog::Blog::start(config).unwrap_or_else(|error| panic!("{error}"))
}
