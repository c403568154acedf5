//! The attribute macros of `mengpaneel`.
