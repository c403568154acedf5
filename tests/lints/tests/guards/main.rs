//! Match guards that bind names, which Rust supports since 1.95. An older compiler cannot parse
//! them.

#[cfg(guards_bind)]
mod binding;
