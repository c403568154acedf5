//! Functions that each cause one error of the compiler.
#![allow(warnings)]

#[cfg(borrow_errors)]
pub mod borrows;
#[cfg(type_errors)]
pub mod types;
