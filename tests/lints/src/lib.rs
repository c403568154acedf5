//! Functions that cause warnings or errors.
//!
//! `tests/unchanged_diagnostics.rs` compares the diagnostics of rustc and Clippy for functions with
//! the attributes of mengpaneel (`--cfg annotated`), with that of `tracing` (`--cfg instrumented`),
//! and with none.

#[cfg(errors)]
mod errors;
#[cfg(warnings)]
mod warnings;
