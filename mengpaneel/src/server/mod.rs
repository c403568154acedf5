//! Calls, said to Mixpanel by the server: translated as mixpanel-js would, delivered over HTTP.

mod delivery;
mod host;
mod lanes;
mod message;
mod retry;
mod said;
mod translate;
mod user_agent;

pub use delivery::DeliveryError;
pub(crate) use delivery::{Credentials, Delivery, DeliveryConfig, NotTaken};
pub use host::{ApiHost, ApiHostError, Region, UnknownRegionError};
pub(crate) use lanes::Lanes;
pub use message::{Endpoint, Message};
pub(crate) use retry::Backoff;
pub(crate) use said::{Said, Written};
pub(crate) use translate::{Interpreter, Translation};
