//! HTTP client for Mixpanel's API. Sends each message once and returns the errors.

mod batch;
mod gzip;
pub(crate) mod host;
pub(crate) mod response;
pub(crate) mod retry;
pub(crate) mod send_error;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use url::Url;

use crate::deliver::http::batch::{Item, Sequence, divide, group, halves, json};
use crate::deliver::http::gzip::Compressor;
use crate::deliver::http::host::{ApiHost, ApiHostError};
use crate::deliver::http::response::BatchOutcome;
pub(crate) use crate::deliver::http::send_error::{SendError, SendErrorKind};
use crate::deliver::partitions::Partitions;
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;

/// Credentials for the import of events.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// Project token, which is not a secret.
    Token,
    /// Service account of the project.
    ServiceAccount {
        user: String,
        secret: String,
        /// Project that the events are imported into.
        project_id: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token => f.write_str("Token"),
            Self::ServiceAccount { user, .. } => write!(f, "ServiceAccount({user})"),
        }
    }
}

/// Configuration of an [`HttpClient`].
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    /// Project token.
    pub token: String,
    /// Base URL of Mixpanel's API.
    pub api_host: ApiHost,
    /// Credentials for the import of events.
    pub credentials: Credentials,
    /// Longest duration of one HTTP request.
    pub timeout: Duration,
}

/// Error of a client that cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The API host is invalid.
    #[error(transparent)]
    ApiHost(#[from] ApiHostError),
    /// The HTTP client cannot be created. The usual cause is missing root certificates.
    #[error(
        "cannot create the HTTP client for {host} ({problem}): TLS needs the root certificates of this machine; install the \
         package `ca-certificates`, or set SSL_CERT_FILE to a file of certificates"
    )]
    Client {
        /// Base URL of the API host.
        host: String,
        /// Error of the client, with its sources.
        problem: String,
    },
}

/// Most redirects that are followed per request.
const MAX_REDIRECTS: usize = 3;

/// Follows redirects that keep method and body (307, 308) to the same origin, for example from a
/// path with a slash to one without.
///
/// Any other redirect is an ordinary response: credentials are sent only to the configured host.
fn redirect_policy() -> Policy {
    Policy::custom(|attempt| {
        let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
        let is_same_origin = attempt
            .previous()
            .last()
            .is_some_and(|source| source.origin() == attempt.url().origin());
        if keeps_method && is_same_origin && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// Creates the HTTP client. An `http:` host needs no root certificates, which a minimal container
/// lacks.
fn build_client(base: &Url, timeout: Duration) -> Result<reqwest::Client, DeliveryError> {
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("mengpaneel/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect_policy())
            // Responses are small; a compressed one could be a decompression bomb.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .timeout(timeout)
            // Shorter than the whole timeout, to distinguish a failed connection from a missing
            // response: only a failed connection certainly delivered nothing.
            .connect_timeout(timeout / 2)
            // The host may close a connection that is idle for long during a request. The outcome
            // of that request would be in doubt.
            .pool_idle_timeout(Duration::from_secs(10))
    };
    let built = match builder().build() {
        Err(_) if base.scheme() == "http" => builder().tls_certs_only([]).build(),
        built => built,
    };
    built.map_err(|error| DeliveryError::Client {
        host: base.to_string(),
        problem: response::with_sources(&error),
    })
}

/// Last segment of an endpoint's path.
fn path(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Events => "import",
        Endpoint::People => "engage",
        Endpoint::Groups => "groups",
    }
}

/// Formats a URL for errors, without its query, which may contain the project ID.
fn display_url(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Most bytes of a response body that are read. Mixpanel's longest response lists 2,000 rejected
/// messages.
const MAX_RESPONSE_BYTES: usize = 1_000_000;

/// Reads a response body. Returns an empty body if it is longer than [`MAX_RESPONSE_BYTES`]: then
/// the status decides, and the connection is closed.
async fn read_body(response: &mut reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Client of Mixpanel's API. It does not retry: its callers schedule the retries.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    base: Url,
    token: String,
    credentials: Credentials,
    gzip: Arc<Compressor>,
}

impl HttpClient {
    /// Creates the client without a connection.
    ///
    /// # Errors
    /// [`DeliveryError`] if the API host is invalid or the HTTP client cannot be created.
    pub(crate) fn new(config: HttpConfig) -> Result<Self, DeliveryError> {
        let base = config.api_host.url()?;
        let client = build_client(&base, config.timeout)?;
        let gzip = Arc::default();
        Ok(Self {
            client,
            base,
            token: config.token,
            credentials: config.credentials,
            gzip,
        })
    }

    /// Sends each message once. `partitions` has their JSON.
    ///
    /// Returns the errors of messages that Mixpanel did not accept, by index, in ascending order.
    pub(crate) async fn send<'s>(
        &self,
        messages: impl Iterator<Item = &'s Outgoing> + Clone,
        partitions: &Partitions,
    ) -> Vec<(usize, SendError)> {
        let sequences = group(messages, partitions);
        let requests = sequences
            .iter()
            .map(|sequence| self.send_sequence(sequence, partitions.buffer(sequence.buffer)));
        let errors = join_all(requests).await.into_iter().flatten();
        let mut errors: Vec<_> = errors.collect();
        errors.sort_by_key(|(index, _)| *index);
        errors
    }

    /// Sends messages in order, one request after the other.
    async fn send_sequence(&self, sequence: &Sequence, buffer: &[u8]) -> Vec<(usize, SendError)> {
        let (endpoint, items) = (sequence.endpoint, sequence.items.as_slice());
        let mut errors = Vec::new();
        let mut pending: VecDeque<Range<usize>> = divide(items, endpoint).into();
        while let Some(range) = pending.pop_front() {
            let batch = items.get(range.clone()).unwrap_or_default();
            let outcome = self.post_batch(endpoint, batch, buffer).await;
            if outcome == BatchOutcome::TooLarge && batch.len() > 1 {
                for half in halves(range).into_iter().rev() {
                    pending.push_front(half);
                }
                continue;
            }
            errors.extend(batch.iter().enumerate().filter_map(|(position, item)| {
                Some((item.index, outcome.item_error(position, item)?))
            }));
            if let Some(error) = outcome.unsent_error() {
                let unsent = items.get(range.end..).unwrap_or_default();
                errors.extend(unsent.iter().map(|item| (item.index, error.clone())));
                break;
            }
        }
        errors
    }

    async fn post_batch(&self, endpoint: Endpoint, batch: &[Item], buffer: &[u8]) -> BatchOutcome {
        let request = match self.request(endpoint, batch, buffer) {
            Ok(request) => request,
            Err(reason) => {
                let error = SendError::new(SendErrorKind::Rejected, None, reason);
                return BatchOutcome::unprocessed(error);
            }
        };
        #[cfg(feature = "metrics")]
        let started = std::time::Instant::now();
        let outcome = self.send_request(endpoint, request, batch, buffer).await;
        #[cfg(feature = "metrics")]
        crate::metrics::record_request_duration(path(endpoint), started.elapsed());
        outcome
    }

    /// Sends a request and returns its outcome, with the URL that answered.
    async fn send_request(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
        batch: &[Item],
        buffer: &[u8],
    ) -> BatchOutcome {
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return BatchOutcome::from_error(error).with_url(self.url(endpoint).as_str());
            }
        };
        // A redirect changes the URL.
        let displayed_url = display_url(response.url());
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| response::retry_after(value, SystemTime::now()));
        let outcome = match read_body(&mut response).await {
            Err(error) if status == 200 => BatchOutcome::from_error(error),
            // With any other status, the head of the response is sufficient.
            body => {
                let (body, sent) = (body.unwrap_or_default(), (batch, buffer));
                BatchOutcome::from_response(endpoint, status, retry_after, &body, sent)
            }
        };
        outcome.with_url(&displayed_url)
    }

    /// Returns the URL of an endpoint, without a query.
    fn url(&self, endpoint: Endpoint) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), path(endpoint)));
        url
    }

    fn request(
        &self,
        endpoint: Endpoint,
        batch: &[Item],
        buffer: &[u8],
    ) -> Result<reqwest::RequestBuilder, String> {
        let mut url = self.url(endpoint);
        if endpoint != Endpoint::Events {
            // `ip=0`: otherwise Mixpanel locates the user at the address of this server.
            url.set_query(Some("verbose=1&ip=0"));
            let (request, body) = (self.client.post(url), json(batch, buffer).concat());
            return Ok(request.header(CONTENT_TYPE, "application/json").body(body));
        }
        url.set_query(Some("strict=1"));
        let (user, secret) = match &self.credentials {
            Credentials::Token => (self.token.as_str(), ""),
            Credentials::ServiceAccount {
                user,
                secret,
                project_id,
            } => {
                url.query_pairs_mut().append_pair("project_id", project_id);
                (user.as_str(), secret.as_str())
            }
        };
        let body = self
            .gzip
            .compress(&json(batch, buffer))
            .map_err(|error| format!("could not compress the events: {error}"))?;
        let request = self.client.post(url);
        Ok(request
            .basic_auth(user, Some(secret))
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .body(body))
    }
}
