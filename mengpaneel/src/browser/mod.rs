//! The browser's side: what is written into a page, and where.

mod csp;
mod inject;
mod script;
mod tokens;

pub use csp::{Verdict, check};
pub use inject::{head_end, insert};
pub use script::{Page, block, header, setup_name};
