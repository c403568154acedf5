//! Facts of one HTTP request: kind, client address, URL, visitor and consent.

pub(crate) mod connection;
pub(crate) mod consent;
pub(crate) mod cookies;
mod forwarded;
pub(crate) mod headers;
pub(crate) mod info;
pub(crate) mod kind;
mod proxy_chain;
pub(crate) mod url;
