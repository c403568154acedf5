//! Project of the messages, and caches that its translations share.

use crate::translate::event_writer;
use crate::translate::user_agent_cache::UserAgentCache;

/// Project that the messages belong to.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) token: String,
    /// Encoded start of the properties of an event, with the token.
    pub(crate) opening: Vec<u8>,
    pub(crate) user_agents: UserAgentCache,
}

impl Project {
    /// Creates the project of a token.
    pub(crate) fn new(token: String) -> Self {
        let opening = event_writer::opening(&token);
        Self {
            token,
            opening,
            user_agents: UserAgentCache::default(),
        }
    }
}
