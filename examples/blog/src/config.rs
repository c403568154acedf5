//! Variables that the blog is started with.

use serde_json::{Map, Value};
use thiserror::Error;

/// Variables with their defaults and meanings, as `--help` lists them.
pub const VARIABLES: [Variable; 9] = [
    Variable {
        name: "BIND",
        default: "127.0.0.1:8080",
        meaning: "address to listen on; port 0 takes a free one",
    },
    Variable {
        name: "MIXPANEL_TOKEN",
        default: "demo",
        meaning: "project token; empty: tracking is off",
    },
    Variable {
        name: "MIXPANEL_API_HOST",
        default: "the stand-in inside the example",
        meaning: "base URL that the server delivers to",
    },
    Variable {
        name: "MIXPANEL_JS_API_HOST",
        default: "the stand-in inside the example",
        meaning: "base URL that the page's mixpanel-js delivers to",
    },
    Variable {
        name: "MIXPANEL_LIB_URL",
        default: "Mixpanel's CDN, or a small library of the stand-in if the CDN cannot be reached",
        meaning: "URL that pages load mixpanel-js from",
    },
    Variable {
        name: "OUTBOX",
        default: "memory",
        meaning: "memory, file:PATH, redis://…, sidekiq+redis://… or none: where calls wait for the server",
    },
    Variable {
        name: "SESSION",
        default: "cookie",
        meaning: "cookie, redis://… or none: where sessions are kept; none: an encrypted sign-in cookie instead",
    },
    Variable {
        name: "IDENTITY",
        default: "simplified",
        meaning: "simplified or legacy: the project's ID merge; legacy: sign-up also records alias(id)",
    },
    Variable {
        name: "JS_CONFIG",
        default: "{}",
        meaning: r#"JSON object for mixpanel-js, for example {"opt_out_tracking_by_default":true}"#,
    },
];

/// One environment variable of the blog.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Name in the environment.
    pub name: &'static str,
    /// Value, or its description, where the variable is not set.
    pub default: &'static str,
    /// Meaning, in one line.
    pub meaning: &'static str,
}

/// Configuration of a blog.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub bind: String,
    /// Mixpanel's token; empty: tracking is off.
    pub token: String,
    /// Base URL that the server delivers to. `None`: the stand-in inside the example.
    pub api_host: Option<String>,
    /// Base URL that the page's mixpanel-js delivers to. `None`: the stand-in inside the example.
    pub js_api_host: Option<String>,
    /// URL that pages load mixpanel-js from. `None`: Mixpanel's CDN if the server reaches it at
    /// start-up, otherwise the stand-in's small library.
    pub lib_url: Option<String>,
    /// Options for mixpanel-js, a JSON object.
    pub js_config: Value,
    /// Storage of calls that wait for the server.
    pub outbox: Outbox,
    /// Storage of sessions.
    pub session: SessionStorage,
    /// ID merge of the Mixpanel project.
    pub identity: Identity,
    /// Number of threads that answer requests. `None`: one a core.
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

/// Storage of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionStorage {
    /// Encrypted cookie of actix-session.
    #[default]
    Cookie,
    /// Redis at this URL.
    Redis(String),
    /// No session middleware: an encrypted cookie of the blog's own holds the user's ID.
    None,
}

/// ID merge of the Mixpanel project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// Simplified ID Merge, Mixpanel's default: `identify` is enough.
    #[default]
    Simplified,
    /// Legacy identity management, where sign-up also records `alias`.
    Legacy,
}

/// Variable whose value the blog cannot use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Unknown outbox.
    #[error("OUTBOX: {0}, and `none`")]
    Outbox(String),
    /// Unknown session storage.
    #[error("SESSION: {0:?} is no session storage; use `cookie`, `redis://HOST:PORT` or `none`")]
    Session(String),
    /// Unknown ID merge.
    #[error("IDENTITY: {0:?} is no kind of ID merge; use `simplified` or `legacy`")]
    Identity(String),
    /// Options for mixpanel-js that are no JSON object.
    #[error(
        "JS_CONFIG: {0}; use a JSON object, for example {{\"opt_out_tracking_by_default\":true}}"
    )]
    JsConfig(String),
}

impl Default for Config {
    /// Listens on a free port of this machine; the rest is as without variables.
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:0".to_owned(),
            token: "demo".to_owned(),
            api_host: None,
            js_api_host: None,
            lib_url: None,
            js_config: Value::Object(Map::new()),
            outbox: Outbox::Memory,
            session: SessionStorage::Cookie,
            identity: Identity::Simplified,
            workers: None,
        }
    }
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the variable that has an unusable value.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads variables by name. Except for the token, an empty value counts as not set.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        Ok(Self {
            bind: given("BIND").unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            // An empty token is a value: tracking is off.
            token: variable("MIXPANEL_TOKEN").unwrap_or_else(|| "demo".to_owned()),
            api_host: given("MIXPANEL_API_HOST"),
            js_api_host: given("MIXPANEL_JS_API_HOST"),
            lib_url: given("MIXPANEL_LIB_URL"),
            js_config: given("JS_CONFIG")
                .map_or_else(|| Ok(Value::Object(Map::new())), |json| js_config(&json))?,
            outbox: given("OUTBOX").map_or(Ok(Outbox::Memory), outbox)?,
            session: given("SESSION").map_or(Ok(SessionStorage::Cookie), session_storage)?,
            identity: given("IDENTITY").map_or(Ok(Identity::Simplified), identity)?,
            workers: None,
        })
    }
}

fn js_config(json: &str) -> Result<Value, ConfigError> {
    match serde_json::from_str(json) {
        Ok(Value::Object(options)) => Ok(Value::Object(options)),
        Ok(other) => Err(ConfigError::JsConfig(format!("{other} is no JSON object"))),
        Err(error) => Err(ConfigError::JsConfig(format!(
            "{json:?} is no JSON ({error})"
        ))),
    }
}

fn outbox(value: String) -> Result<Outbox, ConfigError> {
    match value.as_str() {
        "memory" => Ok(Outbox::Memory),
        "none" => Ok(Outbox::None),
        url => match mengpaneel::outbox::from_url(url) {
            Ok(_) => Ok(Outbox::At(value)),
            Err(error) => Err(ConfigError::Outbox(error.0)),
        },
    }
}

fn session_storage(value: String) -> Result<SessionStorage, ConfigError> {
    match value.as_str() {
        "cookie" => Ok(SessionStorage::Cookie),
        "none" => Ok(SessionStorage::None),
        url if ["redis://", "redis+unix://", "unix://"]
            .iter()
            .any(|scheme| url.starts_with(scheme)) =>
        {
            Ok(SessionStorage::Redis(value))
        }
        other => Err(ConfigError::Session(match other.split_once("://") {
            // The rest may hold a password.
            Some((scheme, _)) => format!("{scheme}://…"),
            None => other.to_owned(),
        })),
    }
}

fn identity(value: String) -> Result<Identity, ConfigError> {
    match value.as_str() {
        "simplified" => Ok(Identity::Simplified),
        "legacy" => Ok(Identity::Legacy),
        _ => Err(ConfigError::Identity(value)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|wanted| {
            variables
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn config_without_variables_tracks_to_the_stand_in() {
        let config = read(&[]).unwrap();
        assert_eq!(config.bind, "127.0.0.1:8080");
        assert_eq!(config.token, "demo");
        assert_eq!((config.api_host, config.lib_url), (None, None));
        assert_eq!(config.outbox, Outbox::Memory);
        assert_eq!(config.session, SessionStorage::Cookie);
        assert_eq!(config.identity, Identity::Simplified);
        assert_eq!(config.js_config, json!({}));
    }

    #[test]
    fn empty_token_stays_empty_and_other_empty_values_are_unset() {
        let config = read(&[
            ("MIXPANEL_TOKEN", ""),
            ("BIND", ""),
            ("SESSION", ""),
            ("OUTBOX", "none"),
        ])
        .unwrap();
        assert_eq!(config.token, "");
        assert_eq!(config.bind, "127.0.0.1:8080");
        assert_eq!(config.session, SessionStorage::Cookie);
        assert_eq!(config.outbox, Outbox::None);
    }

    #[test]
    fn each_named_choice_is_read() {
        let redis = "redis://localhost";
        let config = read(&[
            ("OUTBOX", redis),
            ("SESSION", redis),
            ("IDENTITY", "legacy"),
        ])
        .unwrap();
        assert_eq!(config.outbox, Outbox::At(redis.to_owned()));
        assert_eq!(config.session, SessionStorage::Redis(redis.to_owned()));
        assert_eq!(config.identity, Identity::Legacy);
        let config = read(&[
            ("SESSION", "none"),
            ("IDENTITY", "simplified"),
            ("JS_CONFIG", r#"{"ip":false}"#),
        ])
        .unwrap();
        assert_eq!(
            (config.session, config.identity),
            (SessionStorage::None, Identity::Simplified)
        );
        assert_eq!(config.js_config, json!({"ip": false}));
    }

    #[test]
    fn unusable_values_name_their_variable_and_what_it_takes() {
        for (name, value, message) in [
            (
                "OUTBOX",
                "kafka://localhost",
                "OUTBOX: \"kafka\" names no outbox",
            ),
            (
                "SESSION",
                "memcached",
                "SESSION: \"memcached\" is no session storage; use `cookie`",
            ),
            (
                "SESSION",
                "rediss://me:secret@localhost",
                "SESSION: \"rediss://…\" is no session storage",
            ),
            (
                "IDENTITY",
                "original",
                "IDENTITY: \"original\" is no kind of ID merge; use `simplified` or `legacy`",
            ),
            (
                "JS_CONFIG",
                "[1]",
                "JS_CONFIG: [1] is no JSON object; use a JSON object",
            ),
            (
                "JS_CONFIG",
                "{ip:1}",
                "JS_CONFIG: \"{ip:1}\" is no JSON (key must be a string",
            ),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn help_lists_exactly_the_variables_that_are_read() {
        let asked = RefCell::new(Vec::new());
        let _ = Config::from_variables(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        });
        let mut listed = VARIABLES.map(|variable| variable.name).to_vec();
        listed.sort_unstable();
        asked.borrow_mut().sort_unstable();
        assert_eq!(*asked.borrow(), listed);
    }
}
