//! Translation of calls to messages, as mixpanel-js would send them: a pure function of the
//! envelope.

mod args;
mod event_writer;
mod events;
mod groups;
mod limits;
mod member_value;
pub(crate) mod message;
pub(crate) mod outgoing;
#[cfg(test)]
mod parity;
mod people;
pub(crate) mod problems;
mod profile;
mod project;
mod push;
mod request_properties;
mod run;
mod state;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod translator;
pub(crate) mod user_agent;
mod user_agent_cache;
