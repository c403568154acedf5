//! mengpaneel
mod asked;
mod call;
mod claims;
mod current;
mod failure;
mod mixpanel;
mod parcel;
mod recorder;
mod session;
mod settings;
mod visitor;
pub use call::{Call, Calls, Method, Mode, OtherMethod, Properties};
pub use current::*;
pub use failure::{Failure, Reason};
pub use mixpanel::{Group, Mixpanel, People};
pub use parcel::Parcel;
pub use recorder::Strategy;
pub use visitor::Visitor;
