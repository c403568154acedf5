//! Calls, said to Mixpanel by the server: translated as mixpanel-js would, delivered over HTTP.

mod message;
mod translate;
mod user_agent;

pub use message::{Endpoint, Message};
pub use translate::{Translation, translate};
