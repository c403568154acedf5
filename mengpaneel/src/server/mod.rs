//! The server's side: HTTP to Mixpanel.

mod delivery;
mod host;
mod message;
mod retry;
mod translate;
mod user_agent;

pub use delivery::{Credentials, Delivery, DeliveryConfig, Outcome};
pub use host::{ApiHost, Region};
pub use message::Message;
pub use retry::Backoff;
pub use translate::translate;
