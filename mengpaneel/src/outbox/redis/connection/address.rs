//! Address of a Redis server or cluster, and connections to it.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    TlsCertificates,
};

use crate::error::log_text::redacted_url;
use crate::outbox::OutboxError;
use crate::outbox::redis::connection::QUERY_TIMEOUT;

/// Address of a Redis server or cluster.
#[derive(Clone)]
pub(crate) struct RedisAddr {
    /// Host and port, or the path of a socket; used in logs and errors.
    display: String,
    client: Clients,
}

#[derive(Clone)]
enum Clients {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl fmt::Debug for RedisAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAddr")
            .field("address", &self.display)
            .finish_non_exhaustive()
    }
}

impl RedisAddr {
    /// Parses a `redis://`, `rediss://` (TLS), `redis+cluster://` or `rediss+cluster://` URL.
    ///
    /// `roots` are the root certificates (PEM) for TLS; `None` uses those of the system.
    ///
    /// # Errors
    /// [`OutboxError`] if the URL or the certificates are invalid.
    pub(crate) fn parse(url: &str, roots: Option<&[u8]>) -> Result<Self, OutboxError> {
        let invalid = |error: RedisError| {
            OutboxError(format!(
                "{} is not a valid Redis URL: {error}",
                redacted_url(url)
            ))
        };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if roots.is_some_and(|roots| {
            memchr::memmem::find(roots, b"-----BEGIN CERTIFICATE-----").is_none()
        }) {
            return Err(OutboxError(
                "root_certificates: no certificate found; pass the contents of a PEM file".into(),
            ));
        }
        let roots = roots.map(|roots| TlsCertificates {
            client_tls: None,
            root_cert: Some(roots.to_owned()),
        });
        let Some(scheme) = scheme.strip_suffix("+cluster") else {
            let client = match roots {
                Some(roots) => Client::build_with_tls(url, roots),
                None => Client::open(url),
            };
            let client = client.map_err(invalid)?;
            let display = client.get_connection_info().addr().to_string();
            return Ok(Self {
                display,
                client: Clients::Single(Box::new(client)),
            });
        };
        let node = format!("{scheme}://{rest}");
        let info = node.as_str().into_connection_info().map_err(invalid)?;
        let display = info.addr().to_string();
        let mut builder = ClusterClient::builder([node])
            .connection_timeout(QUERY_TIMEOUT)
            // The caller has a timeout for each command, which is always shorter.
            .response_timeout(Duration::from_secs(60))
            .retries(0);
        if let Some(roots) = roots {
            builder = builder.certs(roots);
        }
        let client = builder.build().map_err(invalid)?;
        Ok(Self {
            display,
            client: Clients::Cluster(Box::new(client)),
        })
    }

    /// Host and port, or the path of a socket.
    pub(crate) fn as_str(&self) -> &str {
        &self.display
    }

    /// Opens a connection, without timeouts: the caller sets them.
    pub(crate) async fn connect(&self) -> Result<Connection, RedisError> {
        Ok(match &self.client {
            Clients::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_response_timeout(None)
                    .set_connection_timeout(None);
                Connection::Single(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                )
            }
            Clients::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

/// One command, or several that are sent together.
#[derive(Clone, Copy)]
pub(crate) enum Request<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
}

impl Request<'_> {
    async fn run<T: FromRedisValue>(
        self,
        connection: &mut impl ConnectionLike,
    ) -> Result<T, RedisError> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Pipeline(pipeline) => pipeline.query_async(connection).await,
        }
    }

    /// Returns the first two words of the last command, which identify the kind of request.
    pub(crate) fn name(self) -> Vec<u8> {
        let command = match self {
            Self::Command(command) => Some(command),
            Self::Pipeline(pipeline) => pipeline.cmd_iter().last(),
        };
        let words = command.into_iter().flat_map(Cmd::args_iter).take(2);
        let words = words.filter_map(|word| match word {
            redis::Arg::Simple(word) => Some(word),
            _ => None,
        });
        words.collect::<Vec<_>>().join(&b' ')
    }
}

/// Open connection to a server or a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Runs a request, without a timeout.
    pub(crate) async fn query<T: FromRedisValue>(
        &mut self,
        request: Request<'_>,
    ) -> Result<T, RedisError> {
        match self {
            Self::Single(connection) => request.run(connection).await,
            Self::Cluster(connection) => request.run(connection).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_displayed_without_credentials() {
        for (url, expected) in [
            ("redis://:s3cret@cache.example:7000/2", "cache.example:7000"),
            ("rediss://me:s3cret@cache.example", "cache.example:6379"),
            ("redis://cache.example/", "cache.example:6379"),
            (
                "redis+unix:///run/redis.sock?pass=s3cret",
                "/run/redis.sock",
            ),
            (
                "redis+cluster://me:s3cret@cache.example:7000/?pass=s3cret",
                "cache.example:7000",
            ),
        ] {
            let address = RedisAddr::parse(url, None).unwrap();
            assert_eq!(address.as_str(), expected);
            assert!(!format!("{address:?}").contains("s3cret"));
        }
        for url in [
            "http://me:s3cret@cache.example/",
            "me:s3cret@cache.example",
            "redis://me:s3c@s3cret@:x/?a=s3cret",
        ] {
            let error = RedisAddr::parse(url, None).unwrap_err().to_string();
            assert!(!error.contains("s3c"), "{error}");
        }
    }
}
