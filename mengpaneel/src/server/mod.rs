//! Calls, said to Mixpanel by the server: translated as mixpanel-js would, delivered over HTTP.

mod delivery;
mod host;
mod lanes;
mod message;
mod retry;
mod said;
mod translate;
mod user_agent;

pub use delivery::{Credentials, Delivery, DeliveryConfig, DeliveryError, NotTaken};
pub use host::{ApiHost, ApiHostError, Region, UnknownRegionError};
pub use lanes::Lanes;
pub use message::{Endpoint, Message};
pub use retry::Backoff;
pub use said::{Said, Written};
pub use translate::{Interpreter, Translation};
