//! Events that each library sends, the sink that receives them, and the cost of sending them.

mod events;
mod measurement;
mod sink;

pub use events::{EVENTS, Properties, properties, user_id};
pub use measurement::Measurement;
pub use sink::{SinkClient, serve_sink};
