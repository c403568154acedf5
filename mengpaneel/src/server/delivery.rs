//! Delivery: messages over HTTP, one attempt each, and what became of every one.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::message::{Endpoint, Message};

/// As many records as Mixpanel takes in one request.
const MAX_RECORDS: usize = 2_000;
/// As many bytes, before compression; Mixpanel's own figure is 10 MB.
const MAX_BYTES: usize = 9_500_000;

/// What became of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Mixpanel has it.
    Delivered,
    /// Mixpanel does not take it, now or later.
    Refused(String),
    /// Not now: again later, not before `after`.
    Retry {
        /// What Mixpanel asked for.
        after: Option<Duration>,
        /// What went wrong.
        reason: String,
    },
    /// It may have arrived, and would count twice if it were sent again.
    InDoubt(String),
    /// The credentials are not right.
    Unauthorized(String),
}

/// How `/import` is authorised.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// By the project's token.
    Token,
    /// By a service account.
    ServiceAccount {
        /// Its user name.
        user: String,
        /// Its secret.
        secret: String,
        /// Which project it imports into.
        project_id: String,
    },
}

/// What delivery needs to know.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// The project's token.
    pub token: String,
    /// The base URL, ending in `/`.
    pub host: Url,
    /// How `/import` is authorised.
    pub credentials: Credentials,
    /// How long one request may take, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

/// Brings messages to Mixpanel.
#[derive(Debug)]
pub struct Delivery {
    client: Client,
    config: DeliveryConfig,
}

/// A message, its place among those given, and its JSON.
struct Packed {
    place: usize,
    message: Message,
    json: String,
}

type Sent = Vec<(usize, Message, Outcome)>;

impl Delivery {
    /// A client for these settings. Fails where the machine has no certificates.
    pub fn new(config: DeliveryConfig) -> reqwest::Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("mengpaneel/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(config.timeout.min(Duration::from_secs(5)))
            .timeout(config.timeout)
            .build()?;
        Ok(Self { client, config })
    }

    /// Sends everything in as few requests as Mixpanel allows, and tells what became of each
    /// message, in the order given.
    pub async fn deliver(&self, messages: Vec<Message>) -> Vec<(Message, Outcome)> {
        let mut packed: Vec<Packed> = messages.into_iter().enumerate().map(Packed::new).collect();
        let mut sent = Sent::with_capacity(packed.len());
        for endpoint in Endpoint::ALL {
            let (here, rest): (Vec<_>, Vec<_>) =
                packed.into_iter().partition(|packed| packed.message.endpoint == endpoint);
            packed = rest;
            for batch in batches(here) {
                sent.extend(self.send(endpoint, batch).await);
            }
        }
        sent.sort_by_key(|(place, ..)| *place);
        sent.into_iter().map(|(_, message, outcome)| (message, outcome)).collect()
    }

    /// One request; two halves where Mixpanel finds it too large.
    fn send(&self, endpoint: Endpoint, mut batch: Vec<Packed>) -> BoxFuture<'_, Sent> {
        Box::pin(async move {
            match self.post(endpoint, &batch).await {
                Ok(answer) if answer.status == StatusCode::PAYLOAD_TOO_LARGE && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    let mut sent = self.send(endpoint, batch).await;
                    sent.extend(self.send(endpoint, second).await);
                    sent
                }
                Ok(answer) => answer.outcomes(endpoint, batch),
                Err(error) => no_answer(&error, batch),
            }
        })
    }

    async fn post(&self, endpoint: Endpoint, batch: &[Packed]) -> reqwest::Result<Answer> {
        let mut url = self.config.host.clone();
        url.set_path(&format!("{}{}", url.path(), endpoint.path()));
        match (endpoint, &self.config.credentials) {
            (Endpoint::Events, Credentials::ServiceAccount { project_id, .. }) => {
                url.query_pairs_mut().append_pair("strict", "1").append_pair("project_id", project_id);
            }
            (Endpoint::Events, Credentials::Token) => {
                url.query_pairs_mut().append_pair("strict", "1");
            }
            // Only the verbose answer says what is wrong with a profile; its status is 200 in any case.
            _ => {
                url.query_pairs_mut().append_pair("verbose", "1").append_pair("ip", "0");
            }
        }
        let json = array(batch);
        let mut request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        if endpoint == Endpoint::Events {
            request = match &self.config.credentials {
                Credentials::Token => request.basic_auth(&self.config.token, Some("")),
                Credentials::ServiceAccount { user, secret, .. } => request.basic_auth(user, Some(secret)),
            };
        }
        request = match gzip(&json) {
            Some(gzipped) if endpoint == Endpoint::Events => request.header(CONTENT_ENCODING, "gzip").body(gzipped),
            _ => request.body(json),
        };
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        // An answer that breaks off after its status still is one.
        let body = response.text().await.unwrap_or_default();
        Ok(Answer { status, headers, body })
    }
}

impl Packed {
    fn new((place, message): (usize, Message)) -> Self {
        let json = message.body.to_string();
        Self { place, message, json }
    }

    fn outcome(self, outcome: Outcome) -> (usize, Message, Outcome) {
        (self.place, self.message, outcome)
    }
}

/// Cuts at the limits of one request.
fn batches(packed: Vec<Packed>) -> Vec<Vec<Packed>> {
    let mut batches: Vec<Vec<Packed>> = Vec::new();
    let mut bytes = 0;
    for item in packed {
        let size = item.json.len() + 1;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_RECORDS && bytes + size <= MAX_BYTES => {
                bytes += size;
                batch.push(item);
            }
            _ => {
                bytes = size;
                batches.push(vec![item]);
            }
        }
    }
    batches
}

fn array(batch: &[Packed]) -> String {
    let mut json = String::with_capacity(batch.iter().map(|packed| packed.json.len() + 1).sum::<usize>() + 2);
    json.push('[');
    for (at, packed) in batch.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        json.push_str(&packed.json);
    }
    json.push(']');
    json
}

fn gzip(json: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(json.as_bytes()).and_then(|()| encoder.finish()).ok()
}

/// Nothing came back. What cannot be repeated is in doubt, unless it never left.
fn no_answer(error: &reqwest::Error, batch: Vec<Packed>) -> Sent {
    let never_left = error.is_connect() || error.is_builder();
    let reason = describe(error);
    batch
        .into_iter()
        .map(|packed| {
            let outcome = retry_or_doubt(&packed.message, never_left, None, &reason);
            packed.outcome(outcome)
        })
        .collect()
}

fn retry_or_doubt(message: &Message, untouched: bool, after: Option<Duration>, reason: &str) -> Outcome {
    if untouched || message.is_repeatable() {
        Outcome::Retry { after, reason: reason.to_owned() }
    } else {
        Outcome::InDoubt(reason.to_owned())
    }
}

/// The error and its causes in one line, without the URL.
fn describe(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let kind = if error.is_timeout() { "no answer in time" } else { "no answer" };
    causes.last().map_or_else(|| kind.to_owned(), |cause| format!("{kind}: {cause}"))
}

/// What Mixpanel said.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// The body of an answer, as far as it is read. Mixpanel's own documents name the key of an insert
/// ID in two ways; the index is the same in both.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    error: Option<String>,
    status: Value,
    failed_records: Vec<FailedRecord>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FailedRecord {
    index: usize,
    field: String,
    message: String,
}

impl Answer {
    fn outcomes(&self, endpoint: Endpoint, batch: Vec<Packed>) -> Sent {
        let said: Said = serde_json::from_str(&self.body).unwrap_or_default();
        let why = said.error.clone().unwrap_or_else(|| format!("it answered {}", self.status));
        let status = self.status;
        if status == StatusCode::BAD_REQUEST && !said.failed_records.is_empty() {
            return partial(&said.failed_records, batch);
        }
        let after = self.retry_after();
        batch_outcome(batch, |message| {
            if status.is_success() {
                let none_taken = said.status == 0 || self.body.trim() == "0";
                if endpoint != Endpoint::Events && none_taken {
                    Outcome::Refused(why.clone())
                } else {
                    Outcome::Delivered
                }
            } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                Outcome::Unauthorized(why.clone())
            } else if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                Outcome::Retry { after, reason: why.clone() }
            } else if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
                // A gateway's error does not tell whether what stands behind it got the request.
                retry_or_doubt(message, false, after, &why)
            } else {
                Outcome::Refused(why.clone())
            }
        })
    }

    /// `Retry-After`, where it is a number of seconds, up to an hour.
    fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.min(3_600)))
    }
}

/// Of a strict import the good ones are taken, and the bad ones named.
fn partial(failed: &[FailedRecord], batch: Vec<Packed>) -> Sent {
    let outcomes = batch.into_iter().enumerate().map(|(index, packed)| {
        let why = failed.iter().find(|record| record.index == index);
        let outcome =
            why.map_or(Outcome::Delivered, |record| Outcome::Refused(format!("{}: {}", record.field, record.message)));
        packed.outcome(outcome)
    });
    outcomes.collect()
}

fn batch_outcome(batch: Vec<Packed>, outcome: impl Fn(&Message) -> Outcome) -> Sent {
    let outcomes = batch.into_iter().map(|packed| {
        let outcome = outcome(&packed.message);
        packed.outcome(outcome)
    });
    outcomes.collect()
}

#[cfg(test)]
mod tests;
