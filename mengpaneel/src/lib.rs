//! mengpaneel

mod asked;
mod attribute;
mod before;
mod browser;
mod call;
mod claims;
mod config;
mod current;
mod failure;
mod flush;
pub mod guide;
mod mengpaneel;
mod middleware;
mod mixpanel;
pub mod outbox;
mod parcel;
mod recorder;
mod server;
mod session;
mod settings;
pub mod testing;
mod visitor;

pub use before::{Before, BeforeMiddleware};
pub use call::{Call, Calls, Method, Mode, OtherMethod, Properties};
pub use config::{BuildError, Builder, Token};
pub use current::*;
pub use failure::{Failure, Reason};
pub use flush::Body;
pub use mengpaneel::Mengpaneel;
pub use mengpaneel_macros::{before_setup, setup, track, tracking};
pub use middleware::Middleware;
pub use mixpanel::{Group, Mixpanel, People};
pub use outbox::{NotSent, Undelivered};
pub use parcel::Parcel;
pub use recorder::Strategy;
pub use server::{ApiHost, ApiHostError, DeliveryError, Region};
pub use settings::Loader;
pub use visitor::Visitor;

/// What the attributes expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::attribute::*;
    pub use crate::call::{Method, Mode};
}
