//! A stand-in for Mixpanel.
