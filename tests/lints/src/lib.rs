//! Functions with something to complain of, and with mistakes. `tests/same.rs` compares what the
//! compiler and Clippy say with the attributes of mengpaneel (`--cfg annotated`), with that of
//! `tracing` (`--cfg instrumented`), and without any.

#[cfg(complaints)]
mod complaints;
#[cfg(mistakes)]
mod mistakes;
