//! Connection to Redis: connects on first use, reconnects after failures, and distinguishes errors
//! after which the command may have been executed.

pub(crate) mod address;
pub(crate) mod error;
mod outage;
mod refusal;
pub(crate) mod thread;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

pub(crate) use crate::outbox::redis::connection::error::QueryError;
pub(crate) use crate::outbox::redis::connection::refusal::LastRefusal;

use crate::outbox::OutboxError;
use crate::outbox::redis::connection::address::{Connection, RedisAddr, Request};
use crate::outbox::redis::connection::error::ErrorClass;
use crate::outbox::redis::connection::outage::Outage;

/// Delay before the next attempt after Redis was unreachable; commands fail at once meanwhile.
const RECONNECT_BACKOFF: Duration = Duration::from_millis(500);

/// Longest time that Redis may take for a response.
const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

/// Connection to Redis, opened on first use.
pub(crate) struct RedisConnection {
    address: RedisAddr,
    state: Mutex<State>,
    /// Shared by all connections to one server.
    outage: Arc<Outage>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    retry_at: Option<Instant>,
    last_error: String,
}

impl RedisConnection {
    /// Creates a connection without opening it.
    ///
    /// # Errors
    /// Same as [`RedisAddr::parse`].
    pub(crate) fn new(url: &str, roots: Option<&[u8]>) -> Result<Self, OutboxError> {
        Ok(Self {
            address: RedisAddr::parse(url, roots)?,
            state: Mutex::default(),
            outage: Arc::default(),
        })
    }

    /// Creates another connection to the same server.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            address: self.address.clone(),
            state: Mutex::default(),
            outage: Arc::clone(&self.outage),
        }
    }

    /// Host and port, or the path of a socket.
    pub(crate) fn address(&self) -> &str {
        self.address.as_str()
    }

    /// Runs one command.
    ///
    /// # Errors
    /// [`QueryError`], which tells whether the command may have been executed. The same holds for
    /// the other methods.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueryError> {
        self.query_blocking(command, Duration::ZERO).await
    }

    /// Runs one command that may block for `block_time` in addition to the timeout.
    pub(crate) async fn query_blocking<T: FromRedisValue>(
        &self,
        command: &Cmd,
        block_time: Duration,
    ) -> Result<T, QueryError> {
        self.send(Request::Command(command), block_time).await
    }

    /// Runs several commands in one round trip.
    pub(crate) async fn query_pipeline<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<T, QueryError> {
        self.send(Request::Pipeline(pipeline), Duration::ZERO).await
    }

    async fn send<T: FromRedisValue>(
        &self,
        request: Request<'_>,
        block_time: Duration,
    ) -> Result<T, QueryError> {
        let mut may_reconnect = true;
        loop {
            let mut connection = self.connection(&mut may_reconnect).await?;
            let result = timeout(QUERY_TIMEOUT + block_time, connection.query(request)).await;
            let error = match result {
                Ok(Ok(value)) => {
                    self.outage.record_success(request, self.address());
                    return Ok(value);
                }
                Ok(Err(error)) => error,
                Err(_) => RedisError::from((ErrorKind::Io, "no response in time")),
            };
            let reason = format!("{}: {error}", self.address());
            match ErrorClass::from_error(&error) {
                ErrorClass::Refused => return Err(QueryError::Refused(reason)),
                ErrorClass::NoResponse => {
                    self.state.lock().await.connection = None;
                    return Err(QueryError::Unknown(reason));
                }
                // The connection may be older than the failover that made another server the
                // primary.
                ErrorClass::WrongServer if may_reconnect => {
                    may_reconnect = false;
                    self.state.lock().await.connection = None;
                }
                class @ (ErrorClass::WrongServer | ErrorClass::Unavailable) => {
                    let mut state = self.state.lock().await;
                    if class == ErrorClass::WrongServer {
                        state.connection = None;
                    }
                    return Err(self.suspend(&mut state, reason, Some(request)));
                }
            }
        }
    }

    /// Returns the open connection, or opens one and clears `may_reconnect`.
    async fn connection(&self, may_reconnect: &mut bool) -> Result<Connection, QueryError> {
        let mut state = self.state.lock().await;
        if state.retry_at.is_some_and(|time| Instant::now() < time) {
            return Err(QueryError::Unreachable(state.last_error.clone()));
        }
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        *may_reconnect = false;
        let reason = match timeout(QUERY_TIMEOUT, self.address.connect()).await {
            Ok(Ok(connection)) => {
                state.retry_at = None;
                return Ok(state.connection.insert(connection).clone());
            }
            Ok(Err(error)) => format!("{}: {error}", self.address()),
            Err(_) => format!("{}: no connection in time", self.address()),
        };
        Err(self.suspend(&mut state, reason, None))
    }

    /// Fails all commands for [`RECONNECT_BACKOFF`], also those that wait for `state`, and returns the
    /// error. `request` is `None` if there was no connection.
    fn suspend(
        &self,
        state: &mut State,
        reason: String,
        request: Option<Request<'_>>,
    ) -> QueryError {
        state.retry_at = Some(Instant::now() + RECONNECT_BACKOFF);
        state.last_error.clone_from(&reason);
        let error = QueryError::Unreachable(reason);
        self.outage.record_failure(&error, request);
        error
    }
}
