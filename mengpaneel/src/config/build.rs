//! Check of the options, and start of the delivery thread.

use std::sync::Arc;

use serde_json::Value;

use crate::browser::snippet::{Snippet, SnippetConfig};
use crate::call::Properties;
use crate::config::{BuildError, Builder, env};
use crate::delayed::carrier::Carrier;
use crate::delayed::fallback::Fallback;
use crate::deliver::dispatcher::{Dispatcher, DispatcherConfig};
use crate::deliver::http::{Credentials, HttpClient, HttpConfig};
use crate::error::log_text::redacted_url;
use crate::error::setup_mistake::SetupMistakes;
use crate::flush::Services;
use crate::mengpaneel::{Inner, Mengpaneel};
use crate::outbox::{Memory, Outbox, OutboxError};
use crate::record::recorder::{LateSink, RecorderServices};
use crate::record::scope_registry;
use crate::settings::consent::ConsentPolicy;
use crate::settings::cookies::{CookieAttributes, CookieNames, DeviceCookie};
use crate::settings::js_options;
use crate::settings::js_options::{JsOption, OmittedProperties};
use crate::settings::proxies::TrustedProxies;
use crate::settings::{KeyNames, PageSettings, Settings};

const PUBLIC_CREDENTIALS: &str = "has a user name or password, and every page would publish it";

impl Builder {
    /// Checks the options, and starts the delivery thread.
    ///
    /// # Errors
    /// [`BuildError`] names the invalid option and its valid values.
    pub fn build(self) -> Result<Mengpaneel, BuildError> {
        if let Some(invalid) = self.invalid_variable {
            return Err(invalid.into());
        }
        if self.require_token && self.token.0.is_none() {
            return Err(BuildError::NoToken {
                variable: env::TOKEN,
            });
        }
        let settings = Arc::new(self.settings()?);
        self.api_host.url()?;
        check_consumer(self.outbox.as_deref(), self.concurrency)?;
        if self.before_send.is_some()
            && self
                .outbox
                .as_ref()
                .is_some_and(|outbox| outbox.consumer().is_none())
        {
            return Err(BuildError::BeforeSend);
        }
        let Some(token) = self.token.0 else {
            tracing::info!(target: "mengpaneel", "no token: tracking is disabled");
            return Ok(Mengpaneel::new(settings, None));
        };
        let credentials = match self.service_account {
            Some((user, secret, project_id)) => Credentials::ServiceAccount {
                user,
                secret,
                project_id,
            },
            None => Credentials::Token,
        };
        #[cfg(feature = "metrics")]
        crate::metrics::describe();
        let (api_host, timeout) = (self.api_host, self.timeout);
        let client = HttpClient::new(HttpConfig {
            token: token.clone(),
            api_host,
            credentials,
            timeout,
        })?;
        let reporter = Arc::new(self.reporter);
        scope_registry::subscribe(Arc::downgrade(&reporter));
        let OpenedOutbox {
            outbox,
            is_failover,
        } = open(self.outbox, self.failover_to_memory)?;
        let dispatcher = Dispatcher::start(DispatcherConfig {
            token,
            http: client,
            outbox,
            reporter: (*reporter).clone(),
            before_send: self.before_send,
            retry_for: self.retry_for,
            shutdown_timeout: self.shutdown_timeout,
            // No other process can drain the memory that replaces the outbox.
            concurrency: if is_failover {
                self.concurrency.max(1)
            } else {
                self.concurrency
            },
            max_redeliveries: self.max_redeliveries,
        })?;
        let dispatcher = Arc::new(dispatcher);
        let snippet = Snippet::new(&SnippetConfig {
            token: &settings.token,
            config: &settings.page.config,
            lib_url: &settings.page.lib_url,
            instance: settings.names.name.as_deref(),
            loader: settings.page.loader,
            ignore_dnt: !settings.consent.respect_dnt,
        });
        let late_sink: LateSink = {
            let dispatcher = Arc::clone(&dispatcher);
            Arc::new(move |envelope| dispatcher.enqueue_detached(envelope))
        };
        let carrier = self
            .cookie_key
            .as_ref()
            .map(|key| Carrier::new(&settings.names.cookie, key));
        let inner = Inner {
            recorder_services: Arc::new(RecorderServices {
                reporter,
                late_sink,
                ..RecorderServices::default()
            }),
            services: Arc::new(Services {
                settings: Arc::clone(&settings),
                snippet: Arc::new(snippet),
                fallback: Fallback::new(&dispatcher, self.max_fallback_copies),
                dispatcher,
                carrier,
            }),
        };
        Ok(Mengpaneel::new(settings, Some(inner)))
    }

    /// Checks the options, and derives the settings from them.
    pub(crate) fn settings(&self) -> Result<Settings, BuildError> {
        let token = self.token.0.clone().unwrap_or_default();
        let names = KeyNames::new(self.name.as_deref())
            .ok_or_else(|| BuildError::Name(self.name.clone().unwrap_or_default()))?;
        let config = self.page_config()?;
        if let Some((option, option_type)) = js_options::find_invalid(&config) {
            let JsOption { name, effect, .. } = *option;
            let value = config.get(name).map(Value::to_string).unwrap_or_default();
            return Err(BuildError::JsOption {
                option: name,
                expected: option_type.description(),
                value,
                server: effect,
            });
        }
        let stores_in_cookie = config
            .get("opt_out_tracking_persistence_type")
            .is_none_or(|kind| kind == "cookie");
        if !stores_in_cookie && self.consent.is_none() {
            return Err(BuildError::OptOutStorage);
        }
        check_page_url("lib_url", &self.lib_url)?;
        let cookies = CookieNames::new(&token, &config);
        let device_cookie = DeviceCookie::new(&cookies.persistence, &config);
        if self.set_device_cookie && device_cookie.is_none() {
            return Err(BuildError::DeviceCookie);
        }
        let cookie_attributes = CookieAttributes::new(&config);
        let omitted = OmittedProperties::from_config(&config).to_text();
        let sends_ip = config.get("ip").and_then(Value::as_bool) != Some(false);
        let is_enabled = |key: &str| config.get(key).and_then(Value::as_bool) == Some(true);
        let consent = ConsentPolicy {
            rule: self.consent.clone(),
            respect_dnt: self.respect_dnt && !is_enabled("ignore_dnt"),
            respect_gpc: self.respect_gpc,
            is_denied_by_default: is_enabled("opt_out_tracking_by_default"),
        };
        let trusted_proxies = TrustedProxies::new(&self.trusted_proxies, self.proxy_headers)
            .map_err(|entry| BuildError::Proxy(entry.to_owned()))?;
        Ok(Settings {
            cookies,
            device_cookie: device_cookie.filter(|_| self.set_device_cookie),
            token,
            names,
            page: PageSettings {
                loader: self.loader,
                lib_url: self.lib_url.clone(),
                config: Value::Object(config),
            },
            max_header_bytes: self.max_header_bytes,
            inject_into_streams: self.inject_into_streams,
            consent,
            sends_ip,
            omitted,
            cookie_attributes,
            trusted_proxies,
            fallback_after: self.fallback_after,
            mistakes: SetupMistakes::default(),
        })
    }

    /// Returns the configuration of `mixpanel.init`: the defaults, the host of the region, and the
    /// application's options, which override both.
    pub(crate) fn page_config(&self) -> Result<Properties, BuildError> {
        let Value::Object(options) = &self.js_config else {
            return Err(BuildError::JsConfig(self.js_config.to_string()));
        };
        let mut config = Properties::new();
        config.insert(
            "opt_out_tracking_persistence_type".into(),
            Value::from("cookie"),
        );
        config.insert("api_payload_format".into(), Value::from("json"));
        if let Some(url) = &self.js_api_host {
            check_page_url("js_api_host", url)?;
            config.insert("api_host".into(), Value::from(url.as_str()));
        } else if let Some(url) = self.api_host.for_page() {
            config.insert("api_host".into(), Value::from(url));
        }
        config.extend(options.clone());
        if let Some((key, url)) = config
            .iter()
            .find_map(|(key, value)| Some((key, credentials_in(value)?)))
        {
            return Err(BuildError::PageUrl {
                option: "js_config",
                url: redacted_url(url),
                reason: format!("{key} {PUBLIC_CREDENTIALS}"),
            });
        }
        if !self.ip {
            config.insert("ip".into(), false.into());
        }
        Ok(config)
    }
}

/// Checks that this process or another one can drain the outbox.
fn check_consumer(outbox: Option<&dyn Outbox>, concurrency: usize) -> Result<(), BuildError> {
    let problem = match outbox {
        _ if concurrency > 0 => return Ok(()),
        Some(outbox) if outbox.is_durable() => return Ok(()),
        Some(outbox) => format!("{} ends with this process", outbox.description()),
        None => "there is no outbox (`no_outbox`)".to_owned(),
    };
    Err(BuildError::Undrained { problem })
}

/// Opened outbox.
struct OpenedOutbox {
    outbox: Option<Arc<dyn Outbox>>,
    /// True if memory replaces the outbox.
    is_failover: bool,
}

/// Opens the outbox. If that fails and `failover_to_memory` is set, memory replaces it.
fn open(
    outbox: Option<Arc<dyn Outbox>>,
    failover_to_memory: bool,
) -> Result<OpenedOutbox, OutboxError> {
    let Some(outbox) = outbox else {
        return Ok(OpenedOutbox {
            outbox: None,
            is_failover: false,
        });
    };
    match outbox.open() {
        Ok(()) => Ok(OpenedOutbox {
            outbox: Some(outbox),
            is_failover: false,
        }),
        Err(error) if failover_to_memory => {
            tracing::error!(target: "mengpaneel", %error, "could not open the outbox; calls are stored in memory, and this process delivers them");
            Ok(OpenedOutbox {
                outbox: Some(Arc::new(Memory::default())),
                is_failover: true,
            })
        }
        Err(error) => Err(error),
    }
}

/// Checks a URL for the page: `https://…`, `http://…`, `//…` or `/…`, without credentials.
fn check_page_url(option: &'static str, url: &str) -> Result<(), BuildError> {
    let base = url::Url::parse("https://page.example/");
    let parsed = base
        .and_then(|base| base.join(url))
        .map_err(|error| error.to_string());
    let problem = match parsed {
        _ if url.is_empty() => "it is empty".to_owned(),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("its scheme is {}", url.scheme())
        }
        Ok(url) if has_credentials(&url) => format!("it {PUBLIC_CREDENTIALS}"),
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    Err(BuildError::PageUrl {
        option,
        url: redacted_url(url),
        reason: problem,
    })
}

fn has_credentials(url: &url::Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Returns the first URL with a user name or password in a value or its members. `None` without
/// one.
fn credentials_in(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => {
            let page = url::Url::parse("https://page.example/").ok()?;
            page.join(text)
                .is_ok_and(|url| has_credentials(&url))
                .then_some(text)
        }
        Value::Array(values) => values.iter().find_map(credentials_in),
        Value::Object(members) => members.values().find_map(credentials_in),
        _ => None,
    }
}
