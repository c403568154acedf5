//! Facts of one HTTP request.

pub mod headers;
