//! Functions with something to complain of. `tests/same.rs` compares the complaints of the compiler and
//! of Clippy with the attributes of mengpaneel (`--cfg annotated`) and without them.

#[cfg(complaints)]
mod complaints;
