//! Mixpanel tracking for Actix Web: annotate handlers, and their events are delivered through the
//! visitor's browser, or by the server where the browser cannot.
//!
//! A redirect, or a response to a script, has no page that could contain an event. This crate
//! delivers the event through the visitor's next page, through a response header, or through
//! Mixpanel's server API.
//!
//! * If a strategy declines the calls, the next one gets them. [`on_error`](Builder::on_error) is
//!   called for every call that the last one cannot deliver.
//! * Events count once: copies share an ID, by which Mixpanel drops duplicates. `people.increment`,
//!   `append`, `union` and `remove` are delivered at most once.
//! * No tracking failure breaks a response. A response waits until an outbox in a file or in Redis
//!   has stored its calls, and for `server_side` at most the [`timeout`](Builder::timeout). While
//!   Redis is unavailable, `server_side` delivers the calls.
//! * Two kinds of calls are lost without an error: those in a page whose browser blocks
//!   mixpanel-js, and those in memory if the process is killed. An outbox in a [file or
//!   Redis](guide::outboxes) survives a kill.
//! * Events of bots are dropped unless they are marked `via(server)`. The feature `metrics` counts
//!   them.
//!
//! ```
//! use actix_web::{App, HttpResponse, Responder, post, web};
//! use mengpaneel::Mengpaneel;
//!
//! # #[derive(serde::Deserialize)]
//! # struct NewPost { title: String }
//! # struct Post { title: String }
//! # fn insert(form: NewPost) -> actix_web::Result<Post> { Ok(Post { title: form.title }) }
//! /// Setup of every request: the signed-in user, and the properties of all events.
//! #[mengpaneel::setup(register("Site" = "blog"))]
//! async fn visit() {}
//!
//! #[mengpaneel::track("Create Blog Post", "Title" = post.title)]
//! #[post("/posts")]
//! async fn create_post(form: web::Form<NewPost>) -> actix_web::Result<impl Responder> {
//!     let post = insert(form.into_inner())?; // `post.title` is captured here, right after `post` is bound
//! #   let _ = post.title;
//!     Ok(HttpResponse::SeeOther().insert_header(("location", "/posts/1")).finish())
//! }
//!
//! # fn main() -> Result<(), mengpaneel::BuildError> {
//! let key = actix_web::cookie::Key::generate(); // in production from a secret, the same in every process
//! let mengpaneel = Mengpaneel::builder_from_env().cookie_key(key).build()?; // MIXPANEL_TOKEN, MIXPANEL_REGION
//! let app = App::new()
//!     .service(create_post)
//!     .wrap(mengpaneel.with_setup(visit)); // a session middleware is wrapped outside
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Flow of a call
//!
//! 1. [`Mengpaneel`] is the middleware. It creates a recorder for each request. If the response is
//!    a page, it replays the calls that an earlier redirect stored in a carrier cookie.
//!    [`Mengpaneel::with_setup`] runs the setup function, which identifies the signed-in user.
//! 2. The attributes [`track`](macro@track), [`before_setup`](macro@before_setup),
//!    [`setup`](macro@setup) and [`tracking`](macro@tracking) record calls of mixpanel-js.
//!    Functions of the same names and the [`Mixpanel`] extractor record by hand. A call has a
//!    [`Mode`], which determines when it runs.
//! 3. When the response is ready, the first [`Strategy`] that does not decline delivers all calls.
//!    In order: a carrier cookie to the page after a redirect; the page; a header for scripts; the
//!    outbox; the server, immediately.
//! 4. Calls for the server are pending in an [`Outbox`](outbox::Outbox) until the worker, on a
//!    thread of its own, has translated and delivered them. A call that could not be delivered is
//!    reported as a [`Failure`].
//!
//! The [`guide`] has one page per task.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod browser;
mod call;
mod config;
mod delayed;
mod deliver;
mod error;
mod flush;
pub mod guide;
mod id;
mod mengpaneel;
mod metrics;
mod middleware;
pub mod outbox;
mod record;
mod request;
mod settings;
pub mod testing;
mod translate;

pub use crate::call::{Call, Calls, Method, Mode, OtherMethod, Properties};
pub use crate::config::{BuildError, Builder, Token};
pub use crate::deliver::dispatcher::Health;
pub use crate::deliver::flush_timeout::FlushTimeoutError;
pub use crate::deliver::http::DeliveryError;
pub use crate::deliver::http::host::{ApiHost, ApiHostError, Region, UnknownRegionError};
pub use crate::deliver::sender::UndeliveredError;
pub use crate::error::{Failure, Reason};
pub use crate::flush::Body;
pub use crate::mengpaneel::Mengpaneel;
pub use crate::middleware::before::{Before, BeforeMiddleware};
pub use crate::middleware::script::{Script, script};
pub use crate::middleware::with_setup::WithSetup;
pub use crate::middleware::{Middleware, guard};
pub use crate::record::current::{
    add_group, alias, before_setup, current, disable, get_group, identify, people, register,
    register_once, remove_group, reset, set_group, setup, time_event, track, track_pageview,
    track_with_groups, tracking, unregister,
};
pub use crate::record::envelope::Envelope;
pub use crate::record::mixpanel::{Amount, Group, Id, Ids, Mixpanel, People};
pub use crate::record::plan::{Annotation, Plan, Route, plan};
pub use crate::record::strategy::Strategy;
pub use crate::record::visitor::Visitor;
pub use crate::settings::Loader;
pub use crate::settings::consent::Consent;
pub use crate::settings::proxies::ProxyHeaders;
pub use crate::translate::message::{Endpoint, Message};
#[doc = include_str!("record/attribute/before_setup.md")]
pub use mengpaneel_macros::before_setup;
#[doc = include_str!("record/attribute/setup.md")]
pub use mengpaneel_macros::setup;
#[doc = include_str!("record/attribute/track.md")]
pub use mengpaneel_macros::track;
#[doc = include_str!("record/attribute/tracking.md")]
pub use mengpaneel_macros::tracking;

#[doc(hidden)]
pub mod __private;
