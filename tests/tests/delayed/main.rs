//! Delayed calls: never lost, duplicated or attributed to another user.

mod carriers;
mod clients;
mod cookie_limits;
mod durable;
mod failed_replays;
mod fake_mixpanel_js;
mod identity;
mod malformed_payloads;
mod model;
mod origins;
mod races;
mod scenario;
mod scenario_app;
mod sessions;
