//! mengpaneel
mod asked;
mod attribute;
mod call;
mod claims;
mod current;
mod failure;
mod mixpanel;
mod parcel;
mod recorder;
mod session;
mod settings;
pub mod testing;
mod visitor;
/// What the attributes expand to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::attribute::*;
    pub use crate::call::{Method, Mode};
}

pub use call::{Call, Calls, Method, Mode, OtherMethod, Properties};
pub use current::*;
pub use failure::{Failure, Reason};
pub use mengpaneel_macros::{before_setup, setup, track, tracking};
pub use mixpanel::{Group, Mixpanel, People};
pub use parcel::Parcel;
pub use recorder::Strategy;
pub use visitor::Visitor;
