//! A stand-in for Mixpanel: it takes what Mixpanel takes, refuses what Mixpanel refuses, and shows
//! both, to a test or on a page.
//!
//! ```
//! use stand_in::StandIn;
//!
//! let mixpanel = StandIn::start();
//! // … something sends to `mixpanel.url()` …
//! assert!(mixpanel.counted().is_empty());
//!
//! mixpanel.fail_with(503); // and for tests of bad days
//! mixpanel.recover();
//! ```
//!
//! | endpoint | takes |
//! | --- | --- |
//! | `/import` | events of servers, as `strict=1` checks them; of a bad batch the good ones |
//! | `/track` | events of browsers; what is older than five days disappears |
//! | `/engage`, `/groups` | operations on profiles; 200 even where all are invalid |
//! | `/live` | nothing: it is the page that shows what came |
//! | `/lib.js` | nothing: it is mixpanel-js, where a test gave one |
//! | `/mixpanel-small.js` | nothing: it is a small replacement for mixpanel-js, for machines without a network |
//!
//! Where Mixpanel's documentation says two things, the stricter one holds here.

mod body;
mod faults;
mod http;
mod live;
mod profile;
mod received;
mod rules;
mod server;
mod store;
mod take;

pub use http::configure;
pub use live::{LivePage, STYLE, live_page};
pub use profile::Profile;
pub use received::{Endpoint, Head, Note, Received, Refused, Request, Via};
pub use server::StandIn;
pub use store::{Store, TimedOut};
