//! Choice of the script that pages load as mixpanel-js: the configured URL, Mixpanel's CDN, or the
//! stand-in if the CDN is unreachable.

use std::error::Error;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use reqwest::Client;

/// URL of mixpanel-js on Mixpanel's CDN, the library's default.
const CDN_URL: &str = "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js";

/// Longest wait for the CDN at startup.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Script that pages load as mixpanel-js.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Library {
    /// Script at the configured URL.
    Configured(String),
    /// Script on Mixpanel's CDN.
    Cdn,
    /// Small library of the stand-in, because the CDN is unreachable.
    Small {
        /// URL of the small library.
        url: String,
        /// Reason why the CDN is unreachable.
        reason: String,
    },
    /// No script: without a token no page loads a library.
    None,
}

/// Choice of the library, which may depend on a request to the CDN on another thread.
#[derive(Debug)]
pub(crate) struct LibraryChoice(State);

#[derive(Debug)]
enum State {
    Decided(Library),
    Checking {
        result: Receiver<Result<(), String>>,
        deadline: Instant,
    },
}

impl Library {
    /// URL of the script, unless it is the default of `mengpaneel`.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::Configured(url) | Self::Small { url, .. } => Some(url),
            Self::Cdn | Self::None => None,
        }
    }
}

impl LibraryChoice {
    /// Decides at once if there is a configured URL or no token. Otherwise starts a request to the
    /// CDN.
    ///
    /// # Errors
    ///
    /// Fails if the machine has no free thread.
    pub(crate) fn start(token: &str, configured: Option<&str>) -> io::Result<Self> {
        let state = match configured {
            Some(url) => State::Decided(Library::Configured(url.to_owned())),
            None if token.is_empty() => State::Decided(Library::None),
            None => {
                let (send, result) = mpsc::channel();
                // The thread is not joined: a DNS lookup may outlast the timeout.
                thread::Builder::new()
                    .name("cdn".to_owned())
                    .spawn(move || {
                        System::new().block_on(async move {
                            let _ = send.send(check(CDN_URL, TIMEOUT).await);
                        });
                    })?;
                State::Checking {
                    result,
                    deadline: Instant::now() + TIMEOUT + Duration::from_millis(200),
                }
            }
        };
        Ok(Self(state))
    }

    /// Waits for the CDN's response until the timeout.
    pub(crate) fn finish(self, small_url: String) -> Library {
        match self.0 {
            State::Decided(library) => library,
            State::Checking { result, deadline } => {
                let result =
                    result.recv_timeout(deadline.saturating_duration_since(Instant::now()));
                match result.unwrap_or_else(|_| Err(no_response(TIMEOUT))) {
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

/// Checks with a `HEAD` request that a script can be loaded. The error is the reason why not.
async fn check(url: &str, timeout: Duration) -> Result<(), String> {
    // Fails on machines without root certificates.
    let client = Client::builder()
        .timeout(timeout)
        .build()
        .map_err(|error| root_cause(&error))?;
    let response = client.head(url).send().await.map_err(|error| {
        if error.is_timeout() {
            no_response(timeout)
        } else {
            root_cause(&error)
        }
    })?;
    let status = response.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("status {}", status.as_u16()))
    }
}

fn no_response(timeout: Duration) -> String {
    format!("no response within {} s", timeout.as_secs_f32())
}

/// Message of the error's root cause, which is the most specific one.
fn root_cause(error: &(dyn Error + 'static)) -> String {
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

    const LONG_TIMEOUT: Duration = Duration::from_secs(10);

    #[actix_web::test]
    async fn check_succeeds_only_for_a_served_script() {
        let stand_in = StandIn::start();
        stand_in.serve_library("window.mixpanel = {}");
        assert_eq!(
            check(&(stand_in.url() + "/live"), LONG_TIMEOUT).await,
            Ok(())
        );
        assert_eq!(
            check(&(stand_in.url() + "/missing.js"), LONG_TIMEOUT).await,
            Err("status 404".to_owned())
        );
    }

    #[actix_web::test]
    async fn check_fails_for_a_refused_connection() {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(
            check(&format!("http://{address}/"), LONG_TIMEOUT)
                .await
                .unwrap_err()
                .contains("refused")
        );
    }

    #[actix_web::test]
    async fn check_fails_after_the_timeout_of_a_silent_host() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let reason = check(&url, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(reason, "no response within 0.05 s");
    }

    #[test]
    fn configured_url_or_missing_token_decides_at_once() {
        let choose = |token, url: Option<&str>| {
            LibraryChoice::start(token, url)
                .unwrap()
                .finish("small".to_owned())
        };
        assert_eq!(
            choose("demo", Some("/lib.js")),
            Library::Configured("/lib.js".to_owned())
        );
        assert_eq!(choose("", None), Library::None);
    }
}
