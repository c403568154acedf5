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
mod plan;
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
#[doc = include_str!("attribute/before_setup.md")]
pub use mengpaneel_macros::before_setup;
#[doc = include_str!("attribute/setup.md")]
pub use mengpaneel_macros::setup;
#[doc = include_str!("attribute/track.md")]
pub use mengpaneel_macros::track;
#[doc = include_str!("attribute/tracking.md")]
pub use mengpaneel_macros::tracking;
pub use middleware::Middleware;
pub use mixpanel::{Group, Mixpanel, People};
pub use outbox::{NotSent, Undelivered};
pub use parcel::Parcel;
pub use plan::{Annotation, Plan, Route, plan};
pub use recorder::Strategy;
pub use server::{ApiHost, ApiHostError, DeliveryError, Region};
pub use settings::Loader;
pub use visitor::Visitor;

/// What the attributes expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::__plan as planned;
    pub use crate::attribute::*;
    pub use crate::call::{Method, Mode};
    pub use crate::plan::{Annotated, Argument, Kind, Label, On, Planned, Property, Route, Site};
    #[cfg(feature = "plan")]
    pub use inventory;
}
