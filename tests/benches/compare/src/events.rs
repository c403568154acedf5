//! The events.

use serde::Serialize;

/// Number of events that each library sends.
pub const EVENTS: usize = 100_000;

/// Properties of an event, in the order of an application; each library has its own way to pass
/// them.
#[derive(Serialize)]
pub struct Properties {
    #[serde(rename = "Title")]
    pub title: &'static str,
    #[serde(rename = "Number")]
    pub number: usize,
    #[serde(rename = "Plan")]
    pub plan: &'static str,
}

/// Properties of the event with this number.
pub fn properties(number: usize) -> Properties {
    Properties {
        title: "A post about something",
        number,
        plan: "Pro",
    }
}

/// ID of the event's user, one of a thousand.
pub fn user_id(number: usize) -> String {
    format!("user-{}", number % 1_000)
}
