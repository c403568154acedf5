//! Facts of one HTTP request.

pub mod connection;
mod forwarded;
pub mod headers;
pub mod kind;
pub mod proxies;
