//! Messages, over HTTP to Mixpanel: one attempt each, and what became of it.

mod answer;
mod batch;
mod outcome;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::{join_all, join3};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use url::Url;

use self::answer::Verdict;
use self::batch::{Item, batches, halves, json, lanes};
pub use self::outcome::Outcome;
use super::host::{ApiHost, ApiHostError};
use super::message::Endpoint;
use super::said::Said;

/// Who imports events.
#[derive(Clone)]
pub enum Credentials {
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
pub struct DeliveryConfig {
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
    /// The HTTP client cannot be set up.
    #[error("the HTTP client could not be set up: {0}; are the system's root certificates there?")]
    Client(#[from] reqwest::Error),
}

/// Delivers messages to Mixpanel. It knows no retries: that is up to who has the time.
#[derive(Clone, Debug)]
pub struct Delivery {
    client: reqwest::Client,
    base: Url,
    token: String,
    credentials: Credentials,
}

impl Delivery {
    /// Sets up the HTTP client; nothing is sent yet.
    ///
    /// # Errors
    /// Where the API host is no base URL, or the client cannot be set up.
    pub fn new(config: DeliveryConfig) -> Result<Self, DeliveryError> {
        let base = config.api_host.url()?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("mengpaneel/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .timeout(config.timeout)
            // Shorter than the whole, so that a connection that never came can be told from an
            // answer that never came: only the former is sure to have delivered nothing.
            .connect_timeout(config.timeout / 2)
            // A connection that idles for long may be closed under a request, which leaves in
            // doubt what need not be.
            .pool_idle_timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self { client, base, token: config.token, credentials: config.credentials })
    }

    /// Tries each once. What is written stands in `text`. What comes back is in the order given.
    pub async fn deliver(&self, said: Vec<Said>, text: &mut Vec<u8>) -> Vec<(Said, Outcome)> {
        let (mut events, mut people, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for (index, one) in said.iter().enumerate() {
            let items = match one.endpoint() {
                Endpoint::Events => &mut events,
                Endpoint::People => &mut people,
                Endpoint::Groups => &mut groups,
            };
            items.push(Item::of(index, one, text));
        }
        let (events, people, groups) = join3(
            self.send(Endpoint::Events, events, text),
            self.send(Endpoint::People, people, text),
            self.send(Endpoint::Groups, groups, text),
        )
        .await;
        let mut delivered: Vec<_> = said.into_iter().map(|one| (one, Outcome::Delivered)).collect();
        for (index, outcome) in [events, people, groups].into_iter().flatten() {
            if let Some((_, of_this)) = delivered.get_mut(index) {
                *of_this = outcome;
            }
        }
        delivered
    }

    /// Every item comes back exactly once, by its index.
    async fn send(&self, endpoint: Endpoint, items: Vec<Item>, text: &[u8]) -> Vec<(usize, Outcome)> {
        let lanes = lanes(items, endpoint).into_iter().map(|lane| self.send_in_order(endpoint, lane, text));
        join_all(lanes).await.concat()
    }

    async fn send_in_order(&self, endpoint: Endpoint, items: Vec<Item>, text: &[u8]) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(items.len());
        let mut waiting: VecDeque<Vec<Item>> = batches(items, endpoint).into();
        while let Some(batch) = waiting.pop_front() {
            let verdict = self.post(endpoint, &batch, text).await;
            if verdict == Verdict::TooLarge && batch.len() > 1 {
                for half in halves(batch).into_iter().rev() {
                    waiting.push_front(half);
                }
                continue;
            }
            let by_position = batch.iter().enumerate();
            outcomes.extend(by_position.map(|(at, item)| (item.index, verdict.outcome(at, item))));
            if let Some(outcome) = verdict.for_those_not_sent() {
                let unsent = waiting.drain(..).flatten();
                outcomes.extend(unsent.map(|item| (item.index, outcome.clone())));
            }
        }
        outcomes
    }

    async fn post(&self, endpoint: Endpoint, batch: &[Item], text: &[u8]) -> Verdict {
        let request = match self.request(endpoint, json(batch, text)) {
            Ok(request) => request,
            Err(reason) => return Verdict::Refused(reason),
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Verdict::of_error(&error),
        };
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| answer::retry_after(value, SystemTime::now()));
        match response.bytes().await {
            Ok(body) => Verdict::of_response(endpoint, status, retry_after, &body, (batch, text)),
            // The head of an answer has come, which says most of it.
            Err(error) if status == 200 => Verdict::of_error(&error),
            Err(_) => Verdict::of_response(endpoint, status, retry_after, b"", (batch, text)),
        }
    }

    fn request(&self, endpoint: Endpoint, body: Vec<u8>) -> Result<reqwest::RequestBuilder, String> {
        let mut url = self.base.clone();
        let path = match endpoint {
            Endpoint::Events => "import",
            Endpoint::People => "engage",
            Endpoint::Groups => "groups",
        };
        url.set_path(&format!("{}{path}", self.base.path()));
        if endpoint != Endpoint::Events {
            // Nobody is where the server stands, whose address Mixpanel would take otherwise.
            url.set_query(Some("verbose=1&ip=0"));
            let request = self.client.post(url);
            return Ok(request.header(CONTENT_TYPE, "application/json").body(body));
        }
        url.set_query(Some("strict=1"));
        let (user, secret) = match &self.credentials {
            Credentials::Token => (self.token.as_str(), ""),
            Credentials::ServiceAccount { user, secret, project_id } => {
                url.query_pairs_mut().append_pair("project_id", project_id);
                (user.as_str(), secret.as_str())
            }
        };
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        let body = gzip
            .write_all(&body)
            .and_then(|()| gzip.finish())
            .map_err(|error| format!("the events could not be compressed: {error}"))?;
        let request = self.client.post(url);
        Ok(request
            .basic_auth(user, Some(secret))
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .body(body))
    }
}
