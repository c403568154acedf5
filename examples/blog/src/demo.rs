//! Notices about the demo's configuration, which its pages show.

use std::net::SocketAddr;

use stand_in::Via;

use crate::config::Config;
use crate::library::Library;

/// Notices for the home page and the live page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demo {
    /// Notices about unusual configuration and about limits of this machine.
    pub(crate) notices: Vec<String>,
    /// Senders that send to another host than the stand-in.
    pub(crate) external_senders: Vec<Via>,
}

impl Demo {
    pub(crate) fn new(config: &Config, library: &Library) -> Self {
        let (mut notices, mut external_senders) = (Vec::new(), Vec::new());
        if config.token.is_empty() {
            notices.push(
                "Tracking is off because MIXPANEL_TOKEN is empty. No events are recorded."
                    .to_owned(),
            );
        }
        if let Library::Small { reason, .. } = library {
            notices.push(format!(
                "Pages load a small replacement for mixpanel-js, since the server cannot reach Mixpanel's CDN ({reason})."
            ));
        }
        for (host, variable, name, sender) in [
            (&config.api_host, "MIXPANEL_API_HOST", "server", Via::Server),
            (
                &config.js_api_host,
                "MIXPANEL_JS_API_HOST",
                "browser",
                Via::Browser,
            ),
        ] {
            if let Some(host) = host {
                notices.push(format!(
                    "The {name} sends its events to {host}, as set in {variable}. “Events received” does not show them."
                ));
                external_senders.push(sender);
            }
        }
        let is_local = config
            .bind
            .parse()
            .is_ok_and(|address: SocketAddr| address.ip().is_loopback());
        if !is_local && !config.bind.starts_with("localhost:") && config.js_api_host.is_none() {
            notices.push(
                "Only browsers on this machine can reach the stand-in, which listens on 127.0.0.1. Events from \
                 browsers on other machines are lost."
                    .to_owned(),
            );
        }
        Self {
            notices,
            external_senders,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_configuration_has_no_notices() {
        assert!(
            Demo::new(&Config::default(), &Library::Cdn)
                .notices
                .is_empty()
        );
    }

    #[test]
    fn unusual_configuration_has_notices() {
        let host = Some("https://eu.example".to_owned());
        let config = Config {
            token: String::new(),
            api_host: host.clone(),
            js_api_host: host,
            ..Config::default()
        };
        let bind = |bind: &str| Config {
            bind: bind.to_owned(),
            ..Config::default()
        };
        let open = Demo::new(&bind("0.0.0.0:8080"), &Library::Cdn).notices;
        assert!(
            open.len() == 1 && open[0].contains("Only browsers on this machine"),
            "{open:?}"
        );
        assert!(
            Demo::new(&bind("localhost:8080"), &Library::Cdn)
                .notices
                .is_empty()
        );
        let library = Library::Small {
            url: "/small.js".to_owned(),
            reason: "no network".to_owned(),
        };
        let notices = Demo::new(&config, &library).notices.join("\n");
        for part in [
            "MIXPANEL_TOKEN is empty",
            "(no network)",
            "MIXPANEL_API_HOST",
            "MIXPANEL_JS_API_HOST",
        ] {
            assert!(notices.contains(part), "{part} in {notices}");
        }
    }
}
