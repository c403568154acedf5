//! Guards of arms that bind, which Rust has since 1.95. An older compiler must not even read them.

#[cfg(guards_bind)]
mod binding;
