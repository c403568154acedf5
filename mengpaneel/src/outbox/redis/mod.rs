//! Redis: the connection, which Sidekiq's queues share, and the outbox on a stream.

#[cfg_attr(
    not(all(feature = "redis", feature = "sidekiq")),
    expect(dead_code, reason = "each of the two outboxes uses its own part")
)]
pub(crate) mod connection;
#[cfg(feature = "redis")]
mod dead_letters;
#[cfg(feature = "redis")]
mod engine;
#[cfg(feature = "redis")]
mod fallback;
#[cfg(feature = "redis")]
mod keys;
#[cfg(feature = "redis")]
mod reader;
#[cfg(feature = "redis")]
mod scripts;
#[cfg(all(test, feature = "redis"))]
pub(crate) mod test_server;
#[cfg(all(test, feature = "redis"))]
mod tests;
#[cfg(feature = "redis")]
mod writer;

#[cfg(feature = "redis")]
pub use self::engine::Redis;
