//! Choice of the script that pages load as mixpanel-js: by configuration, from Mixpanel's CDN, or
//! from the stand-in where the CDN cannot be reached.

use std::error::Error;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use reqwest::Client;

/// URL of mixpanel-js on Mixpanel's CDN, the library's default.
const CDN_URL: &str = "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js";

/// Longest wait for the CDN at start-up.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Script that pages load as mixpanel-js.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Library {
    /// Script at the URL that was configured.
    Configured(String),
    /// Script on Mixpanel's CDN.
    Cdn,
    /// Small library of the stand-in, since the CDN cannot be reached.
    Small {
        /// URL of the small library.
        url: String,
        /// Reason why the CDN cannot be reached.
        reason: String,
    },
    /// None: without a token no page loads a library.
    None,
}

/// Choice that is being made on a thread of its own.
#[derive(Debug)]
pub(crate) struct Choice(Chosen);

#[derive(Debug)]
enum Chosen {
    Already(Library),
    ByAnswer {
        answer: Receiver<Result<(), String>>,
        deadline: Instant,
    },
}

impl Library {
    /// URL of the script where it is not the library's default.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::Configured(url) | Self::Small { url, .. } => Some(url),
            Self::Cdn | Self::None => None,
        }
    }
}

impl Choice {
    /// Begins to choose, and asks the CDN where neither a URL nor an empty token decides.
    ///
    /// # Errors
    ///
    /// Where the machine has no thread left.
    pub(crate) fn begin(token: &str, configured: Option<&str>) -> io::Result<Self> {
        let chosen = match configured {
            Some(url) => Chosen::Already(Library::Configured(url.to_owned())),
            None if token.is_empty() => Chosen::Already(Library::None),
            None => {
                let (send, answer) = mpsc::channel();
                // Nobody joins the thread: a look-up of the host's name may outlast the time-out.
                thread::Builder::new()
                    .name("cdn".to_owned())
                    .spawn(move || {
                        System::new().block_on(async move {
                            let _ = send.send(reach(CDN_URL, TIMEOUT).await);
                        });
                    })?;
                Chosen::ByAnswer {
                    answer,
                    deadline: Instant::now() + TIMEOUT + Duration::from_millis(200),
                }
            }
        };
        Ok(Self(chosen))
    }

    /// Waits for the answer, at most for the time-out.
    pub(crate) fn end(self, small_url: String) -> Library {
        match self.0 {
            Chosen::Already(library) => library,
            Chosen::ByAnswer { answer, deadline } => {
                let answer =
                    answer.recv_timeout(deadline.saturating_duration_since(Instant::now()));
                match answer.unwrap_or_else(|_| Err(no_answer(TIMEOUT))) {
                    Ok(()) => Library::Cdn,
                    Err(reason) => Library::Small {
                        url: small_url,
                        reason,
                    },
                }
            }
        }
    }
}

/// Asks for the head of that script. The error is the reason why a page could not load it either.
async fn reach(url: &str, timeout: Duration) -> Result<(), String> {
    // Fails on machines without root certificates.
    let client = Client::builder()
        .timeout(timeout)
        .build()
        .map_err(|error| innermost(&error))?;
    let response = client.head(url).send().await.map_err(|error| {
        if error.is_timeout() {
            no_answer(timeout)
        } else {
            innermost(&error)
        }
    })?;
    let status = response.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("status {}", status.as_u16()))
    }
}

fn no_answer(timeout: Duration) -> String {
    format!("no answer within {} s", timeout.as_secs_f32())
}

/// Message of the error's first cause, which names the trouble most plainly.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use stand_in::StandIn;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[actix_web::test]
    async fn script_that_answers_is_reached() {
        let stand_in = StandIn::start();
        stand_in.serve_library("window.mixpanel = {}");
        assert_eq!(reach(&(stand_in.url() + "/live"), SOON).await, Ok(()));
        assert_eq!(
            reach(&(stand_in.url() + "/missing.js"), SOON).await,
            Err("status 404".to_owned())
        );
    }

    #[actix_web::test]
    async fn host_that_is_away_is_not_reached() {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(
            reach(&format!("http://{address}/"), SOON)
                .await
                .unwrap_err()
                .contains("refused")
        );
    }

    #[actix_web::test]
    async fn host_that_never_answers_is_given_up_in_time() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let reason = reach(&url, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(reason, "no answer within 0.05 s");
    }

    #[test]
    fn configured_url_and_missing_token_decide_without_asking() {
        let choose =
            |token, url: Option<&str>| Choice::begin(token, url).unwrap().end("small".to_owned());
        assert_eq!(
            choose("demo", Some("/lib.js")),
            Library::Configured("/lib.js".to_owned())
        );
        assert_eq!(choose("", None), Library::None);
    }
}
