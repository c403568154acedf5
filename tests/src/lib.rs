//! The blog seen from outside: visitors that ask over HTTP as browsers, scripts and machines do,
//! and what their pages would run.

mod page;
mod visitor;

pub use page::{Page, said};
pub use visitor::{Ask, Visitor};
