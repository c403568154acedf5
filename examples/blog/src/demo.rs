//! Facts about this demo that its pages show.

use std::net::SocketAddr;

use stand_in::Via;

use crate::config::Config;
use crate::library::Library;

/// Facts that the home page and the live page show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demo {
    /// Sentences about what differs from the plain demo, or what is missing on this machine.
    pub(crate) notices: Vec<String>,
    /// Senders that send to another Mixpanel than the stand-in.
    pub(crate) elsewhere: Vec<Via>,
}

impl Demo {
    pub(crate) fn new(config: &Config, library: &Library) -> Self {
        let (mut notices, mut elsewhere) = (Vec::new(), Vec::new());
        if config.token.is_empty() {
            notices.push(
                "Tracking is off, since MIXPANEL_TOKEN is empty: no event is recorded.".to_owned(),
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
                let place = "“Events received” does not show them";
                notices.push(format!(
                    "The {name} sends its events to {host}, as {variable} says; {place}."
                ));
                elsewhere.push(sender);
            }
        }
        let is_local = config
            .bind
            .parse()
            .is_ok_and(|address: SocketAddr| address.ip().is_loopback());
        if !is_local && !config.bind.starts_with("localhost:") && config.js_api_host.is_none() {
            notices.push(
                "Only browsers on this machine can reach the stand-in, which listens on 127.0.0.1; events of other \
                 machines' browsers do not arrive."
                    .to_owned(),
            );
        }
        Self { notices, elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_demo_needs_no_notice() {
        assert!(
            Demo::new(&Config::default(), &Library::Cdn)
                .notices
                .is_empty()
        );
    }

    #[test]
    fn each_difference_from_the_plain_demo_is_a_notice() {
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
