//! Outbox in Redis: the engine on a stream, and the connection, which the Sidekiq outbox shares.

#[cfg_attr(
    not(all(feature = "redis", feature = "sidekiq")),
    expect(dead_code, reason = "each of the two outboxes uses a part of it")
)]
pub(crate) mod connection;
#[cfg(feature = "redis")]
mod database;
#[cfg(feature = "redis")]
mod dead_letters;
#[cfg(feature = "redis")]
mod engine;
#[cfg(feature = "redis")]
mod fallback;
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
