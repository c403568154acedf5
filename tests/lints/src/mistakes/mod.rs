//! Each function has one mistake, which the compiler finds.
#![allow(warnings)]

#[cfg(of_borrows)]
pub mod of_borrows;
#[cfg(of_types)]
pub mod of_types;
