//! Facts about this demo that its pages show.

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
            notices.push("Tracking is off, since MIXPANEL_TOKEN is empty: no event is recorded.".to_owned());
        }
        if let Library::Small { reason, .. } = library {
            notices.push(format!(
                "Pages load a small replacement for mixpanel-js, since the server cannot reach Mixpanel's CDN ({reason})."
            ));
        }
        for (host, variable, name, sender) in [
            (&config.api_host, "MIXPANEL_API_HOST", "server", Via::Server),
            (&config.js_api_host, "MIXPANEL_JS_API_HOST", "browser", Via::Browser),
        ] {
            if let Some(host) = host {
                let place = "“Events received” does not show them";
                notices.push(format!("The {name} sends its events to {host}, as {variable} says; {place}."));
                elsewhere.push(sender);
            }
        }
        Self { notices, elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_demo_needs_no_notice() {
        assert!(Demo::new(&Config::default(), &Library::Cdn).notices.is_empty());
    }

    #[test]
    fn each_difference_from_the_plain_demo_is_a_notice() {
        let host = Some("https://eu.example".to_owned());
        let config = Config { token: String::new(), api_host: host.clone(), js_api_host: host, ..Config::default() };
        let library = Library::Small { url: "/small.js".to_owned(), reason: "no network".to_owned() };
        let notices = Demo::new(&config, &library).notices.join("\n");
        for part in ["MIXPANEL_TOKEN is empty", "(no network)", "MIXPANEL_API_HOST", "MIXPANEL_JS_API_HOST"] {
            assert!(notices.contains(part), "{part} in {notices}");
        }
    }
}
