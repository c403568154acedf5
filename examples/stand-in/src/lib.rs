//! Stand-in for Mixpanel's API. It accepts and rejects the same records as Mixpanel, and shows both
//! to tests and on a page.
//!
//! ```
//! use stand_in::StandIn;
//!
//! let mixpanel = StandIn::start();
//! // … an application sends events to `mixpanel.url()` …
//! assert!(mixpanel.counted().is_empty());
//!
//! mixpanel.fail_with(503); // fault injection
//! mixpanel.recover();
//! ```
//!
//! | endpoint | purpose |
//! | --- | --- |
//! | `/import` | events from servers, checked as with `strict=1`; valid events of a batch are accepted |
//! | `/track` | events from browsers; events older than five days are dropped silently |
//! | `/engage`, `/groups` | profile operations; status 200 even if all of them are invalid |
//! | `/live` | page that shows the received events |
//! | `/lib.js` | mixpanel-js, if a test provided it |
//! | `/mixpanel-small.js` | small replacement for mixpanel-js, for machines without a network |
//!
//! If Mixpanel's documentation contradicts itself, the stand-in applies the stricter rule.

mod body;
mod endpoints;
mod faults;
mod http;
mod live;
mod profile;
mod received;
mod rules;
mod server;
mod store;

pub use http::configure;
pub use live::{LivePage, STYLE, live_page};
pub use profile::Profile;
pub use received::{Endpoint, Head, Note, Received, Refused, Request, Via};
pub use server::StandIn;
pub use store::{Store, TimedOut};
