//! The Redis that a URL names, and connections to it.

use std::fmt;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    TlsCertificates, aio,
};

use crate::error::log_text::redacted_url;
use crate::outbox::OutboxError;

/// A Redis, or a cluster of them.
#[derive(Clone)]
pub(crate) struct RedisAddr {
    /// Host and port, or the path of a socket: what logs and errors call it.
    address: String,
    client: Clients,
}

#[derive(Clone)]
enum Clients {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl fmt::Debug for RedisAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl RedisAddr {
    /// Reads `redis://`, `rediss://` (TLS), `redis+cluster://` and `rediss+cluster://`. Over TLS it
    /// is to be known by one of these root certificates (PEM), or by the system's.
    pub(crate) fn parse(
        url: &str,
        patience: Duration,
        roots: Option<&[u8]>,
    ) -> Result<Self, OutboxError> {
        let told = |error: RedisError| {
            OutboxError(format!(
                "{} is no URL of a Redis: {error}",
                redacted_url(url)
            ))
        };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if roots.is_some_and(|roots| {
            memchr::memmem::find(roots, b"-----BEGIN CERTIFICATE-----").is_none()
        }) {
            return Err(OutboxError(
                "root_certificates: there is no certificate in it, which would be PEM".into(),
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
            let client = client.map_err(told)?;
            let address = client.get_connection_info().addr().to_string();
            return Ok(Self {
                address,
                client: Clients::One(Box::new(client)),
            });
        };
        let node = format!("{scheme}://{rest}");
        let address = match node.as_str().into_connection_info() {
            Ok(info) => info.addr().to_string(),
            Err(error) => return Err(told(error)),
        };
        let mut builder = ClusterClient::builder([node])
            .connection_timeout(patience)
            // Ours is the one that counts, and it differs by command.
            .response_timeout(Duration::from_secs(60))
            .retries(0);
        if let Some(roots) = roots {
            builder = builder.certs(roots);
        }
        let client = builder.build().map_err(told)?;
        Ok(Self {
            address,
            client: Clients::Cluster(Box::new(client)),
        })
    }

    /// Host and port, or the path of a socket.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn connect(&self) -> Result<Connection, RedisError> {
        Ok(match &self.client {
            Clients::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_response_timeout(None)
                    .set_connection_timeout(None);
                Connection::One(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                )
            }
            Clients::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

/// Commands that Redis runs at once.
#[derive(Clone, Copy)]
pub(crate) enum Request<'a> {
    One(&'a Cmd),
    All(&'a Pipeline),
}

impl Request<'_> {
    /// The first words of the (last) command: what tells one kind of request from another.
    pub(crate) fn name(self) -> Vec<u8> {
        let command = match self {
            Self::One(command) => Some(command),
            Self::All(pipeline) => pipeline.cmd_iter().last(),
        };
        let words = command.into_iter().flat_map(Cmd::args_iter).take(2);
        let words = words.filter_map(|word| match word {
            redis::Arg::Simple(word) => Some(word),
            _ => None,
        });
        words.collect::<Vec<_>>().join(&b' ')
    }
}

#[derive(Clone)]
pub(crate) enum Connection {
    One(aio::MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn query<T: FromRedisValue>(
        &mut self,
        request: Request<'_>,
    ) -> Result<T, RedisError> {
        match (self, request) {
            (Self::One(connection), Request::One(command)) => command.query_async(connection).await,
            (Self::One(connection), Request::All(pipeline)) => {
                pipeline.query_async(connection).await
            }
            (Self::Cluster(connection), Request::One(command)) => {
                command.query_async(connection).await
            }
            (Self::Cluster(connection), Request::All(pipeline)) => {
                pipeline.query_async(connection).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_called_by_host_and_port_only() {
        let patience = Duration::from_secs(1);
        for (url, address) in [
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
            let server = RedisAddr::parse(url, patience, None).unwrap();
            assert_eq!(server.address(), address);
            assert!(!format!("{server:?}").contains("s3cret"));
        }
        for url in [
            "http://me:s3cret@cache.example/",
            "me:s3cret@cache.example",
            "redis://me:s3c@s3cret@:x/?a=s3cret",
        ] {
            let error = RedisAddr::parse(url, patience, None)
                .unwrap_err()
                .to_string();
            assert!(!error.contains("s3c"), "{error}");
        }
    }
}
