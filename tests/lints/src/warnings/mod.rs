//! Functions that each cause a warning, or expect one.
#![warn(clippy::pedantic, clippy::nursery)]
#![allow(
    clippy::missing_const_for_fn,
    reason = "a function that records calls cannot be const"
)]

pub mod clippy_lints;
pub mod exits;
pub mod length;
pub mod methods;
pub mod rustc_lints;
pub mod signatures;
