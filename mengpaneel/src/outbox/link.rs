//! A link to Redis: connects when it is needed, and says of each failure whether anything can have
//! been done.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, Script, TlsCertificates, aio};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::OutboxError;

/// How long Redis is left alone after it could not be reached: what comes meanwhile is declined
/// at once.
const REST: Duration = Duration::from_millis(500);

/// Why Redis did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It could not be reached: nothing was done.
    Unreachable(String),
    /// It was asked, and did not answer: it may have been done.
    Unknown(String),
    /// It said no.
    Refused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "Redis cannot be reached: {why}"),
            Self::Unknown(why) => write!(f, "Redis did not answer: {why}"),
            Self::Refused(why) => write!(f, "Redis refused: {why}"),
        }
    }
}

impl From<Trouble> for OutboxError {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.to_string())
    }
}

/// Where Redis is.
#[derive(Clone)]
pub(super) enum Server {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Server {
    /// Reads `redis://`, `rediss://` (TLS), `redis+cluster://` and `rediss+cluster://`. Over TLS it is to be known by
    /// one of these root certificates (PEM), or by the system's.
    pub(super) fn at(url: &str, patience: Duration, roots: Option<&[u8]>) -> Result<Self, OutboxError> {
        let told = |error: RedisError| OutboxError(format!("{} is no URL of a Redis: {error}", safe(url)));
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if roots.is_some_and(|roots| memchr::memmem::find(roots, b"-----BEGIN CERTIFICATE-----").is_none()) {
            return Err(OutboxError("root_certificates: there is no certificate in it, which would be PEM".into()));
        }
        let roots = roots.map(|roots| TlsCertificates { client_tls: None, root_cert: Some(roots.to_owned()) });
        let Some(scheme) = scheme.strip_suffix("+cluster") else {
            let client = match roots {
                Some(roots) => Client::build_with_tls(url, roots),
                None => Client::open(url),
            };
            return Ok(Self::One(Box::new(client.map_err(told)?)));
        };
        let mut builder = ClusterClient::builder([format!("{scheme}://{rest}")])
            .connection_timeout(patience)
            // Ours is the one that counts, and it differs by command.
            .response_timeout(Duration::from_secs(60))
            .retries(0);
        if let Some(roots) = roots {
            builder = builder.certs(roots);
        }
        Ok(Self::Cluster(Box::new(builder.build().map_err(told)?)))
    }

    async fn connect(&self) -> Result<Connection, RedisError> {
        Ok(match self {
            Self::One(client) => {
                let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
                Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            Self::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

/// A URL without what is secret in it.
fn safe(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, host)| host)
}

#[derive(Clone)]
enum Connection {
    One(aio::MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisError> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// One connection to Redis, made when it is needed.
pub(super) struct Link {
    server: Server,
    patience: Duration,
    state: Mutex<State>,
    /// It cannot be reached, and that was told: by one of the links to one server.
    is_away: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    rest_until: Option<Instant>,
    last: String,
}

impl Link {
    pub(super) fn new(server: Server, patience: Duration) -> Self {
        Self { server, patience, state: Mutex::default(), is_away: Arc::default() }
    }

    /// A second connection to the same server.
    pub(super) fn beside(&self) -> Self {
        Self { is_away: Arc::clone(&self.is_away), ..Self::new(self.server.clone(), self.patience) }
    }

    /// One command.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Trouble> {
        self.ask_for(command, Duration::ZERO).await
    }

    /// One command that Redis may take `longer` for.
    pub(super) async fn ask_for<T: FromRedisValue>(&self, command: &Cmd, longer: Duration) -> Result<T, Trouble> {
        let mut connection = self.connection().await?;
        let asked = timeout(self.patience + longer, connection.ask(command)).await;
        let error = match asked {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => RedisError::from((ErrorKind::Io, "no answer in time")),
        };
        // What Redis itself said is an answer; all else leaves it open what was done.
        if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
            return Err(Trouble::Refused(error.to_string()));
        }
        self.state.lock().await.connection = None;
        Err(Trouble::Unknown(error.to_string()))
    }

    /// A script, sent whole only where Redis does not know it yet.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        text: &str,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<T, Trouble> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(args);
            command
        };
        match self.ask(&command("EVALSHA", script.get_hash())).await {
            Err(Trouble::Refused(why)) if why.contains("NOSCRIPT") || why.contains("NoScript") => {
                self.ask(&command("EVAL", text)).await
            }
            answer => answer,
        }
    }

    async fn connection(&self) -> Result<Connection, Trouble> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        if state.rest_until.is_some_and(|until| Instant::now() < until) {
            return Err(Trouble::Unreachable(state.last.clone()));
        }
        let why = match timeout(self.patience, self.server.connect()).await {
            Ok(Ok(connection)) => {
                state.rest_until = None;
                if self.is_away.swap(false, Ordering::Relaxed) {
                    tracing::info!(target: "mengpaneel", "Redis is back");
                }
                return Ok(state.connection.insert(connection).clone());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        state.rest_until = Some(Instant::now() + REST);
        state.last.clone_from(&why);
        let trouble = Trouble::Unreachable(why);
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "mengpaneel", "{trouble}");
        }
        Err(trouble)
    }
}
