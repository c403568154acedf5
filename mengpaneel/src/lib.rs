//! mengpaneel
mod call;
mod parcel;
#[allow(dead_code, unreachable_pub, unused_imports)]
mod server;
mod visitor;
pub use call::{Call, Calls, Method, Mode, OtherMethod, Properties};
pub use parcel::Parcel;
pub use server::{ApiHost, ApiHostError, Region};
pub use visitor::Visitor;
