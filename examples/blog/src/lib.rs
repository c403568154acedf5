//! The blog.
