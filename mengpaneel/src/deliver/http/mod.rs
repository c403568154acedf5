//! Messages, over HTTP to Mixpanel: one attempt each, and what became of it.

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

use futures_util::future::{join_all, join3};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use url::Url;

use crate::deliver::http::batch::{Item, RequestBatch, batches, halves, json};
use crate::deliver::http::gzip::Compressor;
use crate::deliver::http::host::{ApiHost, ApiHostError};
use crate::deliver::http::response::BatchOutcome;
pub(crate) use crate::deliver::http::send_error::SendError;
use crate::deliver::partitions::Partitions;
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::Outgoing;

/// Who imports events.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// The project's token, which is no secret.
    Token,
    /// A service account of the project's.
    ServiceAccount {
        /// Its user name.
        user: String,
        /// Its secret.
        secret: String,
        /// The project to import into.
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

/// What a [`Delivery`] needs to know.
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    /// The project's token.
    pub token: String,
    /// Where Mixpanel is.
    pub api_host: ApiHost,
    /// Who imports events.
    pub credentials: Credentials,
    /// The longest that one HTTP request may take.
    pub timeout: Duration,
}

/// Why nothing can be delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// Nothing can be sent to that host.
    #[error(transparent)]
    ApiHost(#[from] ApiHostError),
    /// The HTTP client cannot be set up: the machine has no root certificates, most often.
    #[error(
        "the HTTP client for {host} cannot be set up ({problem}): TLS needs this machine's root certificates; install the \
         package `ca-certificates`, or name a file of certificates in SSL_CERT_FILE"
    )]
    Client {
        /// Base URL of the API host.
        host: String,
        /// Error of the client, with its sources.
        problem: String,
    },
}

/// Most redirects that one request follows.
const MAX_REDIRECTS: usize = 3;

/// Follows a redirect that keeps method and body (307, 308) to the same scheme, host and port, as
/// from a path with a slash to one without. Any other is an answer like others: credentials go to
/// no other place than the one that was configured.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let keeps_method = matches!(attempt.status().as_u16(), 307 | 308);
        let is_same = attempt
            .previous()
            .last()
            .is_some_and(|from| from.origin() == attempt.url().origin());
        if keeps_method && is_same && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// The HTTP client. A host that is reached by `http:` needs no certificates, which a bare container
/// lacks.
fn client(base: &Url, timeout: Duration) -> Result<reqwest::Client, DeliveryError> {
    let builder = || {
        reqwest::Client::builder()
            .user_agent(concat!("mengpaneel/", env!("CARGO_PKG_VERSION")))
            .redirect(same_origin())
            // Answers are small: a compressed one could be a bomb.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .timeout(timeout)
            // Shorter than the whole, so that a connection that never came can be told from an
            // answer that never came: only the former is sure to have delivered nothing.
            .connect_timeout(timeout / 2)
            // A connection that idles for long may be closed under a request, which leaves in
            // doubt what need not be.
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

/// Last part of an endpoint's path.
fn path(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Events => "import",
        Endpoint::People => "engage",
        Endpoint::Groups => "groups",
    }
}

/// A URL as errors name it: without its query, which may name the project.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Most bytes that are read of an answer. Mixpanel's longest names 2,000 refused records.
const MAX_RESPONSE_BYTES: usize = 1_000_000;

/// The body of an answer; empty where it is longer than any of Mixpanel's, so that the status
/// decides. What is left of it is not read: the connection is closed.
async fn body_of(response: &mut reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Delivers messages to Mixpanel. It knows no retries: that is up to who has the time.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: reqwest::Client,
    base: Url,
    token: String,
    credentials: Credentials,
    gzip: Arc<Compressor>,
}

impl HttpClient {
    /// Sets up the HTTP client; nothing is sent yet.
    ///
    /// # Errors
    /// Where the API host is no base URL, or the client cannot be set up.
    pub(crate) fn new(config: HttpConfig) -> Result<Self, DeliveryError> {
        let base = config.api_host.url()?;
        let client = client(&base, config.timeout)?;
        let gzip = Arc::default();
        Ok(Self {
            client,
            base,
            token: config.token,
            credentials: config.credentials,
            gzip,
        })
    }

    /// Tries each once. What is written stands in `lanes`. Gives those that Mixpanel did not take,
    /// by their places, in order.
    pub(crate) async fn deliver<'s>(
        &self,
        said: impl ExactSizeIterator<Item = &'s Outgoing>,
        lanes: &mut Partitions,
    ) -> Vec<(usize, SendError)> {
        let (mut events, mut people, mut groups) =
            (RequestBatch::new(lanes, said.len()), Vec::new(), Vec::new());
        for (index, one) in said.enumerate() {
            match one {
                Outgoing::Encoded(event) => events.written(index, event),
                Outgoing::Message(message) => match message.endpoint {
                    Endpoint::Events => events.message(index, message),
                    Endpoint::People => people.push((index, &**message)),
                    Endpoint::Groups => groups.push((index, &**message)),
                },
            }
        }
        let (events, people, groups) = join3(
            self.send(Endpoint::Events, events),
            self.send_profiles(Endpoint::People, people),
            self.send_profiles(Endpoint::Groups, groups),
        )
        .await;
        let mut not_taken = [events, people, groups].concat();
        not_taken.sort_by_key(|(index, _)| *index);
        not_taken
    }

    async fn send_profiles(
        &self,
        endpoint: Endpoint,
        messages: Vec<(usize, &Message)>,
    ) -> Vec<(usize, SendError)> {
        let mut lanes = Partitions::default();
        lanes.reset(messages.len(), endpoint);
        let mut load = RequestBatch::new(&mut lanes, messages.len());
        for (index, message) in messages {
            load.message(index, message);
        }
        self.send(endpoint, load).await
    }

    async fn send(&self, endpoint: Endpoint, load: RequestBatch<'_>) -> Vec<(usize, SendError)> {
        let lanes = load
            .lanes()
            .map(|(items, text)| self.send_in_order(endpoint, items, text));
        join_all(lanes).await.concat()
    }

    async fn send_in_order(
        &self,
        endpoint: Endpoint,
        items: &[Item],
        text: &[u8],
    ) -> Vec<(usize, SendError)> {
        let mut not_taken = Vec::new();
        let mut waiting: VecDeque<Range<usize>> = batches(items, endpoint).into();
        while let Some(places) = waiting.pop_front() {
            let batch = items.get(places.clone()).unwrap_or_default();
            let verdict = self.post(endpoint, batch, text).await;
            if verdict == BatchOutcome::TooLarge && batch.len() > 1 {
                for half in halves(places).into_iter().rev() {
                    waiting.push_front(half);
                }
                continue;
            }
            let by_position = batch.iter().enumerate();
            not_taken.extend(
                by_position.filter_map(|(at, item)| Some((item.index, verdict.of_item(at, item)?))),
            );
            if let Some(reason) = verdict.for_unsent() {
                let unsent = items.get(places.end..).unwrap_or_default();
                not_taken.extend(unsent.iter().map(|item| (item.index, reason.clone())));
                break;
            }
        }
        not_taken
    }

    async fn post(&self, endpoint: Endpoint, batch: &[Item], text: &[u8]) -> BatchOutcome {
        let url = self.url(endpoint);
        let place = shown(&url);
        let request = match self.request(endpoint, url, batch, text) {
            Ok(request) => request,
            Err(reason) => return BatchOutcome::Refused(reason),
        };
        #[cfg(feature = "metrics")]
        let begun = std::time::Instant::now();
        let verdict = self
            .handle_response(endpoint, request, &place, batch, text)
            .await;
        #[cfg(feature = "metrics")]
        crate::metrics::request_duration(path(endpoint), begun.elapsed());
        verdict
    }

    /// Sends a request, and tells what became of it, with the URL that answered.
    async fn handle_response(
        &self,
        endpoint: Endpoint,
        request: reqwest::RequestBuilder,
        place: &str,
        batch: &[Item],
        text: &[u8],
    ) -> BatchOutcome {
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return BatchOutcome::of_error(error).at(place),
        };
        // After a redirect it is another than was asked.
        let place = shown(response.url());
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| response::retry_after(value, SystemTime::now()));
        let verdict = match body_of(&mut response).await {
            Ok(body) => {
                BatchOutcome::of_response(endpoint, status, retry_after, &body, (batch, text))
            }
            // The head of an answer has come, which says most of it.
            Err(error) if status == 200 => BatchOutcome::of_error(error),
            Err(_) => BatchOutcome::of_response(endpoint, status, retry_after, b"", (batch, text)),
        };
        verdict.at(&place)
    }

    fn url(&self, endpoint: Endpoint) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), path(endpoint)));
        url
    }

    fn request(
        &self,
        endpoint: Endpoint,
        mut url: Url,
        batch: &[Item],
        text: &[u8],
    ) -> Result<reqwest::RequestBuilder, String> {
        if endpoint != Endpoint::Events {
            // Nobody is where the server stands, whose address Mixpanel would take otherwise.
            url.set_query(Some("verbose=1&ip=0"));
            let (request, body) = (self.client.post(url), json(batch, text).concat());
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
            .compress(&json(batch, text))
            .map_err(|error| format!("the events could not be compressed: {error}"))?;
        let request = self.client.post(url);
        Ok(request
            .basic_auth(user, Some(secret))
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .body(body))
    }
}
