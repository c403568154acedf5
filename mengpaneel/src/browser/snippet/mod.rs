//! Snippet of a page: loader of mixpanel-js, `mixpanel.init`, and the calls that the browser runs.

use std::sync::Arc;

use actix_web::web::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::browser::setup_cache::{CachedSetup, SetupCache};
use crate::browser::snippet::js_writer::{JsWriter, js_value};
use crate::call::{Call, Calls};
use crate::record::consent::ConsentStatus;
use crate::settings::Loader;

mod js_writer;
mod wire;

pub(crate) use crate::browser::snippet::wire::header;

#[cfg(test)]
mod tests;

// Built by `npm run minify` in `js/` from the scripts beside them: every page carries them.
const LOADER: &str = include_str!("../loader.min.js");
const VISIT: &str = include_str!("../visit.min.js");
const SILENT: &str = include_str!("../silent.min.js");

const SCRIPT_START: &str = "<script>\ntry {\n";
/// Opts in under the other cookie name, without an event: otherwise an opt-out cookie of
/// mixpanel-js before 2.0 would still count.
const OPT_IN_AGAIN: &str = "mixpanel.push(function () {\n\
    if (this.get_config(\"opt_out_tracking_cookie_prefix\") === \"__mengpaneel_overruled_\") \
    this.opt_in_tracking({track: null});\n});\n";
const SCRIPT_END: &str = "} catch (e) {}\n</script>\n";

/// Prefix of mixpanel-js's consent cookie in the page of a visitor whose own cookie is overruled.
const OVERRULED_PREFIX: &str = "__mengpaneel_overruled_";

/// Initial capacity in bytes: enough for some calls, since a growing buffer is copied each time.
const SCRIPT_CAPACITY: usize = 1_000;

/// Configuration that the snippets of all pages share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnippetConfig<'a> {
    /// Project token.
    pub(crate) token: &'a str,
    /// Configuration for `mixpanel.init`.
    pub(crate) config: &'a Value,
    /// URL of mixpanel-js.
    pub(crate) lib_url: &'a str,
    /// Name of a second Mengpaneel on the same page. `None` for the only one.
    pub(crate) instance: Option<&'a str>,
    /// Pages that load mixpanel-js.
    pub(crate) loader: Loader,
    /// True if mixpanel-js ignores `DNT` in every page.
    pub(crate) ignore_dnt: bool,
}

/// Consent of the visitor that a snippet is rendered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Visitor with consent.
    Granted,
    /// Visitor with consent by the application's rule or by an opt-in: mixpanel-js ignores `DNT`.
    GrantedExplicitly,
    /// Visitor who opted out, with consent by the application's rule: mixpanel-js reads another
    /// cookie.
    GrantedByOverruling,
    /// Visitor without consent.
    Denied,
}

impl Audience {
    /// Returns the audience of a page that only this visitor receives.
    pub(crate) fn from_status(status: ConsentStatus) -> Self {
        match status {
            ConsentStatus {
                is_granted: false, ..
            } => Self::Denied,
            ConsentStatus {
                overrules_cookie: true,
                ..
            } => Self::GrantedByOverruling,
            ConsentStatus {
                is_explicit: true, ..
            } => Self::GrantedExplicitly,
            ConsentStatus { .. } => Self::Granted,
        }
    }
}

/// Template of the snippets. The constant parts of all pages are rendered once.
#[derive(Debug)]
pub(crate) struct Snippet {
    loader: Loader,
    /// Constant text before the calls.
    prefix: Bytes,
    /// The same if mixpanel-js ignores `DNT`.
    prefix_explicit: Bytes,
    /// The same if mixpanel-js reads another cookie too.
    prefix_overruling: Bytes,
    /// Constant text before the calls of a second snippet.
    prefix_late: Bytes,
    /// Whole snippet for a visitor without consent.
    silent: Bytes,
    /// Constant text after the calls and the page view ID.
    suffix: String,
    /// The same for a second snippet.
    suffix_late: String,
    setups: SetupCache,
}

/// Position of a snippet in its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// End of the head.
    Head(Audience),
    /// End of a streamed page.
    Late,
}

impl Snippet {
    /// Renders the constant parts.
    pub(crate) fn new(config: &SnippetConfig<'_>) -> Self {
        let SnippetConfig {
            token,
            config,
            lib_url,
            instance,
            loader,
            ignore_dnt,
        } = *config;
        let name = js_value(&instance.map_or_else(
            || String::from("mengpaneel"),
            |instance| format!("mengpaneel_{instance}"),
        ));
        let open = format!("{SCRIPT_START}let own = {VISIT}({name});\n");
        let queue = "let mixpanel = own.queue = own.queue || window.mixpanel || [];\n".to_owned();
        let arguments = |config: &Value| {
            format!(
                "({}, {}, {}, {name})",
                js_value(lib_url),
                js_value(token),
                js_value(config)
            )
        };
        let load = |config: &Value| match loader {
            Loader::Never => queue.clone(),
            Loader::Always | Loader::WithCalls => {
                format!(
                    "let mixpanel = own.queue = {LOADER}{};\n",
                    arguments(config)
                )
            }
        };
        let [granted, explicit, overruling] = [
            Audience::Granted,
            Audience::GrantedExplicitly,
            Audience::GrantedByOverruling,
        ]
        .map(|audience| page_config(audience, config, ignore_dnt));
        let calls = "let calls = own.visit(function () {\n";
        let check_token = if loader == Loader::Never {
            String::new()
        } else {
            format!(
                "if (this.get_config(\"token\") !== {}) return;\n",
                js_value(token)
            )
        };
        let silent = format!("{SILENT}{};\n", arguments(&granted));
        Self {
            loader,
            prefix: format!("{open}{}{calls}", load(&granted)).into(),
            prefix_explicit: format!("{open}{}{calls}", load(&explicit)).into(),
            prefix_overruling: format!("{open}{}{OPT_IN_AGAIN}{calls}", load(&overruling)).into(),
            prefix_late: format!("{open}{queue}{calls}").into(),
            silent: format!("{SCRIPT_START}{silent}{SCRIPT_END}").into(),
            suffix: suffix(&check_token),
            suffix_late: suffix("if (own.instance && this !== own.instance) return;\n"),
            setups: SetupCache::default(),
        }
    }

    /// Renders the snippet of one page, with a nonce if its policy requires one. `None` if the page
    /// needs no snippet.
    ///
    /// The page view ID is passed along with the calls. The browser runs the calls of an ID once: a
    /// page from a cache has the ID of the cached response. The snippet consists of two chunks, so
    /// that the constant prefix is not copied.
    pub(crate) fn render(
        &self,
        audience: Audience,
        calls: Option<(&Calls, Uuid)>,
        nonce: Option<&str>,
    ) -> Option<[Bytes; 2]> {
        let calls = calls.filter(|(calls, _)| !calls.is_empty());
        if audience == Audience::Denied {
            let is_needed = self.loader == Loader::Always;
            return is_needed.then(|| [with_optional_nonce(nonce, &self.silent), Bytes::new()]);
        }
        let is_needed = calls.is_some() || self.loader == Loader::Always;
        is_needed.then(|| self.write(Position::Head(audience), calls, nonce))
    }

    /// Renders a second snippet for the end of a streamed page, with the calls that were recorded
    /// after the end of the head was sent. `None` without calls.
    pub(crate) fn render_late(
        &self,
        calls: &Calls,
        page_view: Uuid,
        nonce: Option<&str>,
    ) -> Option<[Bytes; 2]> {
        let is_needed = !calls.is_empty();
        is_needed.then(|| self.write(Position::Late, Some((calls, page_view)), nonce))
    }

    /// Returns the ID of a setup and its calls as JavaScript.
    pub(crate) fn setup(&self, setup: &[Call]) -> Arc<CachedSetup> {
        self.setups.get_or_render(setup, || {
            let (id, mut script) = (wire::setup_id(setup), JsWriter::default());
            script.write_setup(setup, &id);
            CachedSetup {
                id,
                script: script.into_bytes(),
            }
        })
    }

    fn write(
        &self,
        position: Position,
        calls: Option<(&Calls, Uuid)>,
        nonce: Option<&str>,
    ) -> [Bytes; 2] {
        let (prefix, suffix) = match position {
            Position::Head(Audience::GrantedExplicitly) => (&self.prefix_explicit, &self.suffix),
            Position::Head(Audience::GrantedByOverruling) => {
                (&self.prefix_overruling, &self.suffix)
            }
            Position::Head(Audience::Granted | Audience::Denied) => (&self.prefix, &self.suffix),
            Position::Late => (&self.prefix_late, &self.suffix_late),
        };
        let mut script = JsWriter::with_capacity(SCRIPT_CAPACITY);
        if let Some((calls, page_view)) = calls {
            let setup = (!calls.setup.is_empty()).then(|| self.setup(&calls.setup));
            script.write_calls(calls, setup.as_deref());
            script.write_page_view(page_view, position == Position::Late);
        } else {
            script.push("}");
        }
        script.push(suffix);
        [
            with_optional_nonce(nonce, prefix),
            script.into_bytes().into(),
        ]
    }
}

/// Returns the configuration for `mixpanel.init` in a page for this audience. mixpanel-js must not
/// decide on consent otherwise.
pub(crate) fn page_config(audience: Audience, config: &Value, ignore_dnt: bool) -> Value {
    let mut config = config.clone();
    if let Some(config) = config.as_object_mut() {
        config.remove("opt_out_tracking_by_default");
        if ignore_dnt || audience != Audience::Granted {
            config.insert("ignore_dnt".into(), true.into());
        }
        if audience == Audience::GrantedByOverruling {
            config.insert(
                "opt_out_tracking_cookie_prefix".into(),
                OVERRULED_PREFIX.into(),
            );
        }
    }
    config
}

/// Sets the nonce of a script. Without a nonce the script is not copied.
fn with_optional_nonce(nonce: Option<&str>, script: &Bytes) -> Bytes {
    nonce.map_or_else(|| script.clone(), |nonce| with_nonce(nonce, script))
}

fn with_nonce(nonce: &str, script: &[u8]) -> Bytes {
    let nonce = nonce
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    let rest = script.strip_prefix(b"<script").unwrap_or_default();
    [b"<script nonce=\"", nonce.as_bytes(), b"\"", rest]
        .concat()
        .into()
}

/// Returns the text that passes the calls to mixpanel-js, unless `check` returns before.
fn suffix(check: &str) -> String {
    format!(
        ");\nmixpanel.push(function () {{\n{check}own.queue = this;\ncalls(this);\n}});\n\
         {SCRIPT_END}"
    )
}
