//! A link to Redis: connects when it is needed, and says of each failure whether anything can have
//! been done.

pub(crate) mod address;
pub(crate) mod error;
mod intake;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, Script};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

pub(crate) use crate::outbox::redis::connection::address::RedisAddr;
pub(crate) use crate::outbox::redis::connection::error::QueryError;
pub(crate) use crate::outbox::redis::connection::intake::Intake;

use crate::outbox::redis::connection::address::{Connection, Request};
use crate::outbox::redis::connection::error::ErrorClass;

/// How long Redis is left alone after it could not be reached: what comes meanwhile is declined
/// at once.
const RECONNECT_BACKOFF: Duration = Duration::from_millis(500);

/// One connection to Redis, made when it is needed.
pub(crate) struct RedisConnection {
    server: RedisAddr,
    patience: Duration,
    state: Mutex<State>,
    /// Shared by all links to one server.
    outage: Arc<Outage>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    rest_until: Option<Instant>,
    last: String,
}

impl RedisConnection {
    pub(crate) fn new(server: RedisAddr, patience: Duration) -> Self {
        Self {
            server,
            patience,
            state: Mutex::default(),
            outage: Arc::default(),
        }
    }

    /// A second connection to the same server.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            outage: Arc::clone(&self.outage),
            ..Self::new(self.server.clone(), self.patience)
        }
    }

    /// Host and port, or the path of a socket.
    pub(crate) fn address(&self) -> &str {
        self.server.address()
    }

    /// One command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueryError> {
        self.query_for(command, Duration::ZERO).await
    }

    /// One command that Redis may take `longer` for.
    pub(crate) async fn query_for<T: FromRedisValue>(
        &self,
        command: &Cmd,
        longer: Duration,
    ) -> Result<T, QueryError> {
        self.request(Request::One(command), longer).await
    }

    /// Several commands in one round trip.
    pub(crate) async fn query_pipeline<T: FromRedisValue>(
        &self,
        pipeline: &Pipeline,
    ) -> Result<T, QueryError> {
        self.request(Request::All(pipeline), Duration::ZERO).await
    }

    async fn request<T: FromRedisValue>(
        &self,
        request: Request<'_>,
        longer: Duration,
    ) -> Result<T, QueryError> {
        let (mut is_new, mut is_again) = (false, false);
        loop {
            let mut connection = self.connection(&mut is_new).await?;
            let asked = timeout(self.patience + longer, connection.query(request)).await;
            let error = match asked {
                Ok(Ok(answer)) => {
                    self.outage.worked(request, self.address());
                    return Ok(answer);
                }
                Ok(Err(error)) => error,
                Err(_) => RedisError::from((ErrorKind::Io, "no answer in time")),
            };
            let why = format!("{}: {error}", self.address());
            match ErrorClass::of(&error) {
                ErrorClass::Refusal => return Err(QueryError::Refused(why)),
                ErrorClass::NoAnswer => {
                    self.state.lock().await.connection = None;
                    return Err(QueryError::Unknown(why));
                }
                // The connection may be older than the failover that made another server the
                // primary.
                ErrorClass::NotNow(true) if !is_new && !is_again => {
                    is_again = true;
                    self.state.lock().await.connection = None;
                }
                ErrorClass::NotNow(is_wrong_server) => {
                    return Err(self.rest(why, is_wrong_server, Some(request)).await);
                }
            }
        }
    }

    /// A script, sent whole only where Redis does not know it yet.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        text: &str,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<T, QueryError> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(args);
            command
        };
        match self.query(&command("EVALSHA", script.get_hash())).await {
            Err(QueryError::Refused(why))
                if why.contains("NOSCRIPT") || why.contains("NoScript") =>
            {
                self.query(&command("EVAL", text)).await
            }
            answer => answer,
        }
    }

    /// The connection there is, or a new one: `is_new` says so then.
    async fn connection(&self, is_new: &mut bool) -> Result<Connection, QueryError> {
        let mut state = self.state.lock().await;
        if state.rest_until.is_some_and(|until| Instant::now() < until) {
            return Err(QueryError::Unreachable(state.last.clone()));
        }
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        *is_new = true;
        let why = match timeout(self.patience, self.server.connect()).await {
            Ok(Ok(connection)) => {
                state.rest_until = None;
                return Ok(state.connection.insert(connection).clone());
            }
            Ok(Err(error)) => format!("{}: {error}", self.address()),
            Err(_) => format!("{}: it does not answer", self.address()),
        };
        drop(state);
        Err(self.rest(why, true, None).await)
    }

    /// Leaves Redis alone for a while, and says why.
    async fn rest(
        &self,
        why: String,
        drops_connection: bool,
        request: Option<Request<'_>>,
    ) -> QueryError {
        let mut state = self.state.lock().await;
        state.rest_until = Some(Instant::now() + RECONNECT_BACKOFF);
        state.last.clone_from(&why);
        if drops_connection {
            state.connection = None;
        }
        drop(state);
        let trouble = QueryError::Unreachable(why);
        self.outage.failed(&trouble, request);
        trouble
    }
}

/// True if Redis is away: logged once when it goes, and once when it is back.
#[derive(Default)]
struct Outage {
    is_away: AtomicBool,
    last: StdMutex<Option<Failed>>,
}

struct Failed {
    at: Instant,
    /// Which request failed; `None` where there was no connection. A replica answers reads, so
    /// that only the same request tells that Redis is back.
    request: Option<Vec<u8>>,
}

/// After such a time without a failure any answer tells that Redis is back.
const QUIET: Duration = Duration::from_secs(30);

impl Outage {
    fn failed(&self, trouble: &QueryError, request: Option<Request<'_>>) {
        let failed = Failed {
            at: Instant::now(),
            request: request.map(Request::name),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "mengpaneel", "{trouble}; calls go the next way until it is back");
        }
    }

    fn worked(&self, request: Request<'_>, address: &str) {
        if !self.is_away.load(Ordering::Relaxed) {
            return;
        }
        let is_back = {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.as_ref().is_none_or(|failed| {
                failed.at.elapsed() > QUIET
                    || failed
                        .request
                        .as_ref()
                        .is_none_or(|name| *name == request.name())
            })
        };
        if is_back && self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "mengpaneel", address, "Redis is back");
        }
    }
}
