//! Building: what was configured is checked, and the thread that delivers started.

use std::sync::Arc;

use serde_json::Value;

use crate::browser::snippet::{Snippet, SnippetConfig};
use crate::call::Properties;
use crate::delayed::carrier::Carrier;
use crate::delayed::fallback::Fallback;
use crate::deliver::dispatcher::{Dispatcher, DispatcherConfig};
use crate::deliver::http::{Credentials, HttpClient, HttpConfig};
use crate::error::log_text::redacted_url;
use crate::error::setup_mistake::SetupMistakes;
use crate::flush::Services;
use crate::mengpaneel::{Inner, Mengpaneel};
use crate::outbox::{Memory, Outbox, OutboxError};
use crate::record::recorder::{LateSink, RecorderContext};
use crate::record::scope_registry;
use crate::settings::consent::ConsentPolicy;
use crate::settings::cookies::{CookieAttributes, CookieNames, DeviceCookie};
use crate::settings::js_options;
use crate::settings::js_options::{JsOption, Omitted};
use crate::settings::proxies::TrustedProxies;
use crate::settings::{KeyNames, PageSettings, Settings};

use crate::config::{BuildError, Builder, env};

impl Builder {
    /// Checks what was configured, and starts the thread that delivers.
    ///
    /// # Errors
    /// The option that cannot be, and what it takes instead.
    pub fn build(self) -> Result<Mengpaneel, BuildError> {
        if let Some(bad) = self.bad_variable {
            return Err(bad.into());
        }
        if self.require_token && self.token.0.is_none() {
            return Err(BuildError::NoToken {
                variable: env::TOKEN,
            });
        }
        let settings = Arc::new(self.settings()?);
        self.api_host.url()?;
        check_drained(self.outbox.as_deref(), self.concurrency)?;
        if self.before_send.is_some()
            && self
                .outbox
                .as_ref()
                .is_some_and(|outbox| !outbox.is_translated_here())
        {
            return Err(BuildError::BeforeSend);
        }
        let Some(token) = self.token.0 else {
            tracing::info!(target: "mengpaneel", "no token: tracking is off");
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
        let delivery = HttpClient::new(HttpConfig {
            token: token.clone(),
            api_host,
            credentials,
            timeout,
        })?;
        let failures = Arc::new(self.failures);
        scope_registry::subscribe(Arc::downgrade(&failures));
        let Opened {
            outbox,
            is_fallback,
        } = open(self.outbox, self.failover_to_memory)?;
        let post = Dispatcher::start(DispatcherConfig {
            token,
            delivery,
            outbox,
            failures: (*failures).clone(),
            before_send: self.before_send,
            retry_for: self.retry_for,
            shutdown_timeout: self.shutdown_timeout,
            // No other process reaches the memory that took over.
            concurrency: if is_fallback {
                self.concurrency.max(1)
            } else {
                self.concurrency
            },
            max_deliveries: self.max_delivery_attempts,
        })?;
        let post = Arc::new(post);
        let block = Snippet::new(&SnippetConfig {
            token: &settings.token,
            config: &settings.page.config,
            lib_url: &settings.page.lib_url,
            instance: settings.names.name.as_deref(),
            loader: settings.page.loader,
            ignore_dnt: !settings.consent.respect_dnt,
        });
        let late: LateSink = {
            let post = Arc::clone(&post);
            Arc::new(move |parcel| post.enqueue_ref_detached(parcel))
        };
        let carrier = self
            .cookie_key
            .as_ref()
            .map(|key| Carrier::new(&settings.names.cookie, key));
        let inner = Inner {
            recorder_context: Arc::new(RecorderContext {
                reporter: failures,
                late_sink: late,
                ..RecorderContext::default()
            }),
            services: Arc::new(Services {
                settings: Arc::clone(&settings),
                snippet: Arc::new(block),
                fallback: Fallback::new(&post, self.max_fallback_copies),
                dispatcher: post,
                carrier,
            }),
        };
        Ok(Mengpaneel::new(settings, Some(inner)))
    }

    /// Checked settings.
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
        let seeding = DeviceCookie::new(&cookies.persistence, &config);
        if self.set_device_cookie && seeding.is_none() {
            return Err(BuildError::SeedCookie);
        }
        let cookie_attributes = CookieAttributes::new(&config);
        let omitted = Omitted::from_config(&config).to_text();
        let sends_ip = config.get("ip").and_then(Value::as_bool) != Some(false);
        let is_on = |key: &str| config.get(key).and_then(Value::as_bool) == Some(true);
        let consent = ConsentPolicy {
            rule: self.consent.clone(),
            respect_dnt: self.respect_dnt && !is_on("ignore_dnt"),
            respect_gpc: self.respect_gpc,
            is_denied_by_default: is_on("opt_out_tracking_by_default"),
        };
        let trusted_proxies = TrustedProxies::new(&self.trusted_proxies, self.proxy_headers)
            .map_err(|entry| BuildError::Proxy(entry.to_owned()))?;
        Ok(Settings {
            cookies,
            device_cookie: seeding.filter(|_| self.set_device_cookie),
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

    /// What `mixpanel.init` gets: our defaults, where it delivers, and the application's own.
    pub(crate) fn page_config(&self) -> Result<Properties, BuildError> {
        let Value::Object(own) = &self.js_config else {
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
        config.extend(own.clone());
        if let Some((key, url)) = config
            .iter()
            .find_map(|(key, value)| Some((key, credentials_in(value)?)))
        {
            let why =
                format!("its {key} has a user name or password, and every page would show it");
            return Err(BuildError::PageUrl {
                option: "js_config",
                url: redacted_url(url),
                why,
            });
        }
        if !self.ip {
            config.insert("ip".into(), false.into());
        }
        Ok(config)
    }
}

/// Checks that somebody drains the outbox.
fn check_drained(outbox: Option<&dyn Outbox>, concurrency: usize) -> Result<(), BuildError> {
    let problem = match outbox {
        _ if concurrency > 0 => return Ok(()),
        Some(outbox) if outbox.is_durable() => return Ok(()),
        Some(outbox) => format!("{} ends with this process", outbox.description()),
        None => "there is no outbox (`no_outbox`)".to_owned(),
    };
    Err(BuildError::Undrained { problem })
}

/// An outbox that is ready.
struct Opened {
    outbox: Option<Arc<dyn Outbox>>,
    /// True if memory took over.
    is_fallback: bool,
}

/// Makes the outbox ready, or takes memory in its place where that may be.
fn open(outbox: Option<Arc<dyn Outbox>>, or_memory: bool) -> Result<Opened, OutboxError> {
    let Some(outbox) = outbox else {
        return Ok(Opened {
            outbox: None,
            is_fallback: false,
        });
    };
    match outbox.open() {
        Ok(()) => Ok(Opened {
            outbox: Some(outbox),
            is_fallback: false,
        }),
        Err(error) if or_memory => {
            tracing::error!(target: "mengpaneel", "{error}; calls wait in memory instead, and are delivered by this process");
            Ok(Opened {
                outbox: Some(Arc::new(Memory::default())),
                is_fallback: true,
            })
        }
        Err(error) => Err(error),
    }
}

/// A page can load from `https://…`, `//…` and `/…`.
fn check_page_url(option: &'static str, url: &str) -> Result<(), BuildError> {
    let base = url::Url::parse("https://page.example/");
    let parsed = base
        .and_then(|base| base.join(url))
        .map_err(|error| error.to_string());
    let checked = match parsed {
        _ if url.is_empty() => Err("it is empty".to_owned()),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(format!("its scheme is {}", url.scheme()))
        }
        Ok(url) if has_credentials(&url) => {
            Err("it has a user name or password, and every page would show it".to_owned())
        }
        Ok(_) => Ok(()),
        Err(why) => Err(why),
    };
    checked.map_err(|why| BuildError::PageUrl {
        option,
        url: redacted_url(url),
        why,
    })
}

fn has_credentials(url: &url::Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// A URL with a user name or password, wherever it stands in a value.
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
