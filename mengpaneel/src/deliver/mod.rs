//! Delivery by the server: a separate thread leases records from the outbox, translates their
//! calls and sends the messages to Mixpanel.

pub(crate) mod circuit_breaker;
pub(crate) mod dispatcher;
pub(crate) mod flush_timeout;
pub(crate) mod http;
pub(crate) mod partitions;
pub(crate) mod profile_dedup;
pub(crate) mod retry_delay;
pub(crate) mod sender;
pub(crate) mod shutdown;
pub(crate) mod worker;
