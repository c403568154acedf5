//! Each function has something to complain of, or expects a complaint.
#![warn(clippy::pedantic, clippy::nursery)]
#![allow(
    clippy::missing_const_for_fn,
    reason = "a function that records anything is none"
)]

pub mod of_clippy;
pub mod of_exits;
pub mod of_form;
pub mod of_length;
pub mod of_methods;
pub mod of_rustc;
