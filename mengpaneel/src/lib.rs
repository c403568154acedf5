//! mengpaneel
mod call;
mod visitor;
pub use call::{Call, Calls, Method, Mode, OtherMethod, Properties};
