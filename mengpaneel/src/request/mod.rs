//! Facts of one HTTP request.

pub(crate) mod connection;
mod forwarded;
pub(crate) mod headers;
pub(crate) mod kind;
pub(crate) mod proxies;
