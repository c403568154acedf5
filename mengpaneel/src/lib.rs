//! mengpaneel
mod call;
mod parcel;
mod visitor;
pub use call::{Call, Calls, Method, Mode, OtherMethod, Properties};
pub use parcel::Parcel;
pub use visitor::Visitor;
#[allow(dead_code)]
mod browser;
