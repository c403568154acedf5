//! Configuration from environment variables.

use serde_json::{Map, Value};
use thiserror::Error;

/// Environment variables with their defaults and meanings, as `--help` lists them.
pub const VARIABLES: [Variable; 9] = [
    Variable {
        name: "BIND",
        default: "127.0.0.1:8080",
        meaning: "address to listen on; port 0 selects a free port",
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
        meaning: "storage of calls for the server: memory, file:PATH, redis://…, sidekiq+redis://…, or none to deliver before responding",
    },
    Variable {
        name: "SESSION",
        default: "cookie",
        meaning: "storage of sessions: cookie, redis://…, or none to keep users signed in by an encrypted cookie",
    },
    Variable {
        name: "IDENTITY",
        default: "simplified",
        meaning: "ID merge of the Mixpanel project: simplified, or legacy, where sign-up also records alias(id)",
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
    /// Default value, or its description.
    pub default: &'static str,
    /// Meaning, in one line.
    pub meaning: &'static str,
}

/// Configuration of a blog.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address and port. Port 0 selects a free port.
    pub bind: String,
    /// Mixpanel's token; empty: tracking is off.
    pub token: String,
    /// Base URL that the server delivers to. `None`: the stand-in inside the example.
    pub api_host: Option<String>,
    /// Base URL that the page's mixpanel-js delivers to. `None`: the stand-in inside the example.
    pub js_api_host: Option<String>,
    /// URL that pages load mixpanel-js from. `None`: Mixpanel's CDN if the server reaches it at
    /// startup, otherwise the stand-in's small library.
    pub lib_url: Option<String>,
    /// Options for mixpanel-js, a JSON object.
    pub js_config: Value,
    /// Storage of calls that the server delivers.
    pub outbox: Outbox,
    /// Storage of sessions.
    pub session: SessionStorage,
    /// ID merge of the Mixpanel project.
    pub identity: Identity,
    /// Number of worker threads. `None`: one for each core.
    pub workers: Option<usize>,
}

/// Storage of calls that the server delivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outbox {
    /// Memory of this process.
    #[default]
    Memory,
    /// Storage at this URL: a file, Redis, or a queue of Sidekiq.
    Url(String),
    /// No storage: the server delivers before it responds.
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
    /// No session middleware: an encrypted cookie of the blog stores the user's ID.
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

/// Error: a variable has an unusable value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Unknown outbox.
    #[error("OUTBOX: {0}, and `none`")]
    Outbox(String),
    /// Unknown session storage.
    #[error("SESSION: {0:?} is not a session storage; use `cookie`, `redis://HOST:PORT` or `none`")]
    Session(String),
    /// Unknown ID merge.
    #[error("IDENTITY: {0:?} is not a kind of ID merge; use `simplified` or `legacy`")]
    Identity(String),
    /// Options for mixpanel-js that are not a JSON object.
    #[error(
        "JS_CONFIG: {0}; use a JSON object, for example {{\"opt_out_tracking_by_default\":true}}"
    )]
    JsConfig(String),
}

impl Default for Config {
    /// Defaults of the variables, except that the port is a free one.
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

    /// Reads variables with a lookup by name. Empty values, except for the token, count as unset.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let non_empty = |name: &str| variable(name).filter(|value| !value.is_empty());
        Ok(Self {
            bind: non_empty("BIND").unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            // An empty token is valid: it turns tracking off.
            token: variable("MIXPANEL_TOKEN").unwrap_or_else(|| "demo".to_owned()),
            api_host: non_empty("MIXPANEL_API_HOST"),
            js_api_host: non_empty("MIXPANEL_JS_API_HOST"),
            lib_url: non_empty("MIXPANEL_LIB_URL"),
            js_config: non_empty("JS_CONFIG")
                .map_or_else(|| Ok(Value::Object(Map::new())), |json| js_config(&json))?,
            outbox: non_empty("OUTBOX").map_or(Ok(Outbox::Memory), outbox)?,
            session: non_empty("SESSION").map_or(Ok(SessionStorage::Cookie), session_storage)?,
            identity: non_empty("IDENTITY").map_or(Ok(Identity::Simplified), identity)?,
            workers: None,
        })
    }
}

fn js_config(json: &str) -> Result<Value, ConfigError> {
    match serde_json::from_str(json) {
        Ok(Value::Object(options)) => Ok(Value::Object(options)),
        Ok(other) => Err(ConfigError::JsConfig(format!(
            "{other} is not a JSON object"
        ))),
        Err(error) => Err(ConfigError::JsConfig(format!(
            "{json:?} is not valid JSON ({error})"
        ))),
    }
}

fn outbox(value: String) -> Result<Outbox, ConfigError> {
    match value.as_str() {
        "memory" => Ok(Outbox::Memory),
        "none" => Ok(Outbox::None),
        url => match mengpaneel::outbox::from_url(url) {
            Ok(_) => Ok(Outbox::Url(value)),
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
            // The rest may contain a password.
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
        Config::from_variables(|requested| {
            variables
                .iter()
                .find(|(name, _)| *name == requested)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn config_defaults_to_the_stand_in() {
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
    fn empty_values_are_unset_except_the_token() {
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
    fn variables_select_each_storage_and_id_merge() {
        let redis = "redis://localhost";
        let config = read(&[
            ("OUTBOX", redis),
            ("SESSION", redis),
            ("IDENTITY", "legacy"),
        ])
        .unwrap();
        assert_eq!(config.outbox, Outbox::Url(redis.to_owned()));
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
    fn errors_name_the_variable_and_its_valid_values() {
        for (name, value, message) in [
            (
                "OUTBOX",
                "kafka://localhost",
                "OUTBOX: \"kafka\" names no outbox",
            ),
            (
                "SESSION",
                "memcached",
                "SESSION: \"memcached\" is not a session storage; use `cookie`",
            ),
            (
                "SESSION",
                "rediss://me:secret@localhost",
                "SESSION: \"rediss://…\" is not a session storage",
            ),
            (
                "IDENTITY",
                "original",
                "IDENTITY: \"original\" is not a kind of ID merge; use `simplified` or `legacy`",
            ),
            (
                "JS_CONFIG",
                "[1]",
                "JS_CONFIG: [1] is not a JSON object; use a JSON object",
            ),
            (
                "JS_CONFIG",
                "{ip:1}",
                "JS_CONFIG: \"{ip:1}\" is not valid JSON (key must be a string",
            ),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn help_lists_exactly_the_variables_read() {
        let read = RefCell::new(Vec::new());
        let _ = Config::from_variables(|name| {
            read.borrow_mut().push(name.to_owned());
            None
        });
        let mut listed = VARIABLES.map(|variable| variable.name).to_vec();
        listed.sort_unstable();
        read.borrow_mut().sort_unstable();
        assert_eq!(*read.borrow(), listed);
    }
}
