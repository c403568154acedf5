//! The variables that the blog is started with.

use thiserror::Error;

/// How to start a blog.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub bind: String,
    /// Mixpanel's token; empty: tracking is off.
    pub token: String,
    /// Where the server delivers. `None`: to the stand-in inside the example.
    pub api_host: Option<String>,
    /// Where the page's mixpanel-js delivers. `None`: to the stand-in inside the example.
    pub js_api_host: Option<String>,
    /// Where the page loads mixpanel-js from. `None`: Mixpanel's CDN.
    pub lib_url: Option<String>,
    /// Where calls wait for the server to deliver them.
    pub outbox: Outbox,
    /// How many threads answer requests. `None`: one a core.
    pub workers: Option<usize>,
}

/// Where calls wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outbox {
    /// In this process.
    #[default]
    Memory,
    /// Where this URL says: a file, a Redis, a queue of Sidekiq's.
    At(String),
    /// Nowhere: they are delivered while the request waits.
    None,
}

/// A variable says what this example cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// An outbox that is not there.
    #[error("OUTBOX: {0}, and `none`")]
    Outbox(String),
    /// A session store that is not there.
    #[error("SESSION={0}: this version has `cookie`")]
    Session(String),
}

impl Default for Config {
    /// A free port of this machine, everything else as without variables.
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:0".to_owned(),
            token: "demo".to_owned(),
            api_host: None,
            js_api_host: None,
            lib_url: None,
            outbox: Outbox::Memory,
            workers: None,
        }
    }
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable that says what this version cannot do.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables by name.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        match given("SESSION").as_deref() {
            None | Some("cookie") => {}
            Some(other) => return Err(ConfigError::Session(other.to_owned())),
        }
        let outbox = match given("OUTBOX").as_deref() {
            None | Some("memory") => Outbox::Memory,
            Some("none") => Outbox::None,
            Some(url) => match mengpaneel::outbox::at(url) {
                Ok(_) => Outbox::At(url.to_owned()),
                Err(error) => return Err(ConfigError::Outbox(error.0)),
            },
        };
        Ok(Self {
            bind: given("BIND").unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            // An empty token is a value: tracking is off.
            token: variable("MIXPANEL_TOKEN").unwrap_or_else(|| "demo".to_owned()),
            api_host: given("MIXPANEL_API_HOST"),
            js_api_host: given("MIXPANEL_JS_API_HOST"),
            lib_url: given("MIXPANEL_LIB_URL"),
            outbox,
            workers: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|wanted| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_variables_it_tracks_to_the_stand_in() {
        let config = read(&[]).unwrap();
        assert_eq!(config.bind, "127.0.0.1:8080");
        assert_eq!(config.token, "demo");
        assert_eq!(config.api_host, None);
        assert_eq!(config.outbox, Outbox::Memory);
    }

    #[test]
    fn an_empty_token_stays_empty_and_other_empty_variables_are_none() {
        let config = read(&[("MIXPANEL_TOKEN", ""), ("BIND", ""), ("OUTBOX", "none")]).unwrap();
        assert_eq!(config.token, "");
        assert_eq!(config.bind, "127.0.0.1:8080");
        assert_eq!(config.outbox, Outbox::None);
    }

    #[test]
    fn what_is_not_there_yet_is_named() {
        let outbox = read(&[("OUTBOX", "kafka://localhost")]).unwrap_err();
        assert!(outbox.to_string().starts_with("OUTBOX: \"kafka\" names no outbox"), "{outbox}");
        let redis = read(&[("OUTBOX", "redis://localhost")]).unwrap();
        assert_eq!(redis.outbox, Outbox::At("redis://localhost".to_owned()));
        let session = read(&[("SESSION", "redis://localhost")]).unwrap_err();
        assert_eq!(session.to_string(), "SESSION=redis://localhost: this version has `cookie`");
    }
}
