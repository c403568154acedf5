//! What is written into a page or a header, so that the browser runs the calls.

use std::sync::Arc;

use actix_web::web::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::browser::setup_cache::{CachedSetup, SetupCache};
use crate::call::value::{Decoder, Escape, escape, text_as_json, write_json, write_value};
use crate::call::{Call, Calls, Method};
use crate::record::consent::ConsentStatus;
use crate::settings::Loader;

#[cfg(test)]
mod tests;

// What `npm run minify` in `js/` makes of the scripts beside them: each page carries these.
const LOADER: &str = include_str!("../loader.min.js");
const VISIT: &str = include_str!("../visit.min.js");
const SILENT: &str = include_str!("../silent.min.js");

const OPEN: &str = "<script>\ntry {\n";
/// Opts in under the name of the other cookie, without an event: an opt-out cookie of mixpanel-js
/// before 2.0 would count else.
const OVERRULE: &str = "mixpanel.push(function () {\n\
    if (this.get_config(\"opt_out_tracking_cookie_prefix\") === \"__mengpaneel_overruled_\") \
    this.opt_in_tracking({track: null});\n});\n";
const CLOSE: &str = "} catch (e) {}\n</script>\n";

/// What stands in the block of every page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnippetConfig<'a> {
    /// The project's token.
    pub(crate) token: &'a str,
    /// The configuration that `mixpanel.init` is given.
    pub(crate) config: &'a Value,
    /// Where mixpanel-js is loaded from.
    pub(crate) lib_url: &'a str,
    /// The name of a second Mengpaneel on one page.
    pub(crate) instance: Option<&'a str>,
    /// Whether mixpanel-js is loaded.
    pub(crate) loader: Loader,
    /// True if mixpanel-js ignores `DNT` in every page.
    pub(crate) ignore_dnt: bool,
}

/// Prefix of mixpanel-js's consent cookie in the page of a visitor whose own cookie is overruled.
const OVERRULED_PREFIX: &str = "__mengpaneel_overruled_";

/// For whom a block is, as far as consent goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A visitor with consent.
    Granted,
    /// A visitor with consent by the application's rule or by an opt-in: mixpanel-js ignores `DNT`.
    GrantedExplicitly,
    /// A visitor who opted out, with consent by the application's rule: mixpanel-js reads another
    /// cookie.
    GrantedByOverruling,
    /// A visitor without consent.
    Denied,
}

/// The block at the end of the head: the loader, `mixpanel.init`, and the calls as one function.
/// What does not change from page to page is written once.
#[derive(Debug)]
pub(crate) struct Snippet {
    loader: Loader,
    /// Up to the calls.
    begin: Bytes,
    /// The same, where mixpanel-js ignores `DNT`.
    begin_explicitly: Bytes,
    /// The same, where mixpanel-js reads another cookie too.
    begin_by_overruling: Bytes,
    /// The whole block of a visitor without consent.
    silent: Bytes,
    /// The same for a second block.
    begin_late: Bytes,
    /// Behind the calls and the page view's ID.
    end: String,
    end_late: String,
    setups: SetupCache,
}

/// Which block of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head(Audience),
    Late,
}

impl Audience {
    /// The audience of a page that only this visitor is given.
    pub(crate) fn render(status: ConsentStatus) -> Self {
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

impl Snippet {
    /// The block of pages that have this in common.
    pub(crate) fn new(common: &SnippetConfig<'_>) -> Self {
        let SnippetConfig {
            token,
            config,
            lib_url,
            instance,
            loader,
            ignore_dnt,
        } = *common;
        let own = instance.map_or_else(
            || String::from("mengpaneel"),
            |name| format!("mengpaneel_{name}"),
        );
        let name = text(&own);
        let open = format!("{OPEN}let own = {VISIT}({name});\n");
        let queue = "let mixpanel = own.queue = own.queue || window.mixpanel || [];\n".to_owned();
        let with = |config: &Value| {
            format!(
                "({}, {}, {}, {name})",
                text(lib_url),
                text(token),
                as_script(config)
            )
        };
        let load = |config: &Value| match loader {
            Loader::Never => queue.clone(),
            Loader::Always | Loader::WithCalls => {
                format!("let mixpanel = own.queue = {LOADER}{};\n", with(config))
            }
        };
        let [granted, explicitly, by_overruling] = [
            Audience::Granted,
            Audience::GrantedExplicitly,
            Audience::GrantedByOverruling,
        ]
        .map(|audience| page_config(audience, config, ignore_dnt));
        let calls = "let calls = own.visit(function () {\n";
        let check = if loader == Loader::Never {
            String::new()
        } else {
            format!(
                "if (this.get_config(\"token\") !== {}) return;\n",
                text(token)
            )
        };
        let silent = format!("{SILENT}{};\n", with(&granted));
        Self {
            loader,
            begin: format!("{open}{}{calls}", load(&granted)).into(),
            begin_by_overruling: format!("{open}{}{OVERRULE}{calls}", load(&by_overruling)).into(),
            begin_explicitly: format!("{open}{}{calls}", load(&explicitly)).into(),
            silent: format!("{OPEN}{silent}{CLOSE}").into(),
            begin_late: format!("{open}{queue}{calls}").into(),
            end: end(&check),
            end_late: end("if (own.instance && this !== own.instance) return;\n"),
            setups: SetupCache::default(),
        }
    }

    /// Returns the block of one page under the nonce that its policy asks for, or `None` where the
    /// page needs none. Beside the calls stands the ID of the page view: the browser runs the
    /// calls of an ID once, and a page from a cache has the ID of the response that was kept.
    /// The block comes in two pieces, since what each page begins it with is not copied.
    pub(crate) fn of(
        &self,
        audience: Audience,
        calls: Option<(&Calls, Uuid)>,
        nonce: Option<&str>,
    ) -> Option<[Bytes; 2]> {
        let calls = calls.filter(|(calls, _)| !calls.is_empty());
        let is_needed = calls.is_some() || self.loader == Loader::Always;
        if audience == Audience::Denied {
            let is_wanted = self.loader == Loader::Always;
            return is_wanted.then(|| [with_optional_nonce(nonce, &self.silent), Bytes::new()]);
        }
        is_needed.then(|| self.write(Part::Head(audience), calls, nonce))
    }

    /// The name of a setup, and its calls as a script.
    pub(crate) fn setup(&self, setup: &[Call]) -> Arc<CachedSetup> {
        self.setups.get_or_render(setup, || {
            let (name, mut script) = (setup_id(setup), JsWriter { text: Vec::new() });
            script.setup(setup, &name);
            CachedSetup {
                name,
                script: script.text,
            }
        })
    }

    /// A second block, for the end of a streamed page: what was recorded after the head had passed.
    /// `None` where that is nothing.
    pub(crate) fn late(
        &self,
        calls: &Calls,
        page_view: Uuid,
        nonce: Option<&str>,
    ) -> Option<[Bytes; 2]> {
        let is_needed = !calls.is_empty();
        is_needed.then(|| self.write(Part::Late, Some((calls, page_view)), nonce))
    }

    fn write(&self, part: Part, calls: Option<(&Calls, Uuid)>, nonce: Option<&str>) -> [Bytes; 2] {
        let (begin, end) = match part {
            Part::Head(Audience::GrantedExplicitly) => (&self.begin_explicitly, &self.end),
            Part::Head(Audience::GrantedByOverruling) => (&self.begin_by_overruling, &self.end),
            Part::Head(Audience::Granted | Audience::Denied) => (&self.begin, &self.end),
            Part::Late => (&self.begin_late, &self.end_late),
        };
        // With room for some calls: a script that grows is copied each time.
        let mut script = JsWriter {
            text: Vec::with_capacity(1_000),
        };
        if let Some((calls, page_view)) = calls {
            let setup = (!calls.setup.is_empty()).then(|| self.setup(&calls.setup));
            script.modes(calls, setup.as_deref());
            script.page_view(page_view, part);
        } else {
            script.push("}");
        }
        script.push(end);
        [with_optional_nonce(nonce, begin), script.text.into()]
    }
}

/// Configuration of `mixpanel.init` in a page for this audience: mixpanel-js must not decide
/// otherwise by itself.
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

/// A script, under a nonce if there is one.
fn with_optional_nonce(nonce: Option<&str>, script: &Bytes) -> Bytes {
    nonce.map_or_else(|| script.clone(), |nonce| with_nonce(nonce, script))
}

/// A script's begin, under a nonce.
fn with_nonce(nonce: &str, begin: &[u8]) -> Bytes {
    let nonce = nonce
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    let rest = begin.strip_prefix(b"<script").unwrap_or_default();
    [b"<script nonce=\"", nonce.as_bytes(), b"\"", rest]
        .concat()
        .into()
}

/// Hands the calls to mixpanel-js, under the condition that `check` leaves standing.
fn end(check: &str) -> String {
    format!(
        ");\nmixpanel.push(function () {{\n{check}own.queue = this;\ncalls(this);\n}});\n\
         {CLOSE}"
    )
}

/// The value of `X-Mengpaneel-Calls`: the calls as a JSON array, in the order of their modes, in
/// ASCII.
pub(crate) fn header(calls: &Calls, with_setup: bool) -> String {
    let mut wire = Vec::with_capacity(512);
    let sent = calls
        .before_setup
        .iter()
        .chain(calls.setup.iter().filter(|_| with_setup))
        .chain(&calls.tracking);
    for call in sent {
        wire.push(if wire.is_empty() { b'[' } else { b',' });
        write_wire(call, &mut wire);
    }
    wire.extend_from_slice(if wire.is_empty() { b"[]" } else { b"]" });
    escape(&String::from_utf8_lossy(&wire), |c| {
        !(' '..='~').contains(&c)
    })
}

/// The name of a setup: 16 hex digits over its method paths and arguments, the same in every
/// process and release.
fn setup_id(setup: &[Call]) -> String {
    let (mut hash, mut wire) = (Sha256::new(), Vec::with_capacity(256));
    for call in setup {
        wire.clear();
        write_wire(call, &mut wire);
        wire.push(b'\n');
        hash.update(&wire);
    }
    let mut name = String::with_capacity(16);
    for byte in hash.finalize().iter().take(8) {
        name.extend(
            [byte >> 4, byte & 15]
                .iter()
                .filter_map(|digit| char::from_digit((*digit).into(), 16)),
        );
    }
    name
}

/// The wire form of a call, `[path, arguments]`, as JSON.
fn write_wire(call: &Call, to: &mut Vec<u8>) {
    to.push(b'[');
    for (place, name) in call.method().name().split('.').enumerate() {
        to.push(if place == 0 { b'[' } else { b',' });
        text_as_json(name, Escape::Plain, to);
    }
    to.extend_from_slice(b"],[");
    let args = call.as_encoded();
    if let Some(mut reader) = args.decoder_at(0) {
        for place in 0..args.len() {
            if place > 0 {
                to.push(b',');
            }
            // What is recorded is whole.
            let _ = write_json(&mut reader, Escape::Plain, to);
        }
    }
    to.extend_from_slice(b"]]");
}

/// A script that is being written.
struct JsWriter {
    text: Vec<u8>,
}

impl JsWriter {
    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn modes(&mut self, calls: &Calls, setup: Option<&CachedSetup>) {
        self.each(&calls.before_setup);
        if resets(&calls.before_setup) {
            self.forget_setup();
        }
        if let Some(setup) = setup {
            self.text.extend_from_slice(&setup.script);
        }
        self.each(&calls.tracking);
        if resets(&calls.tracking) {
            self.forget_setup();
        }
    }

    fn setup(&mut self, setup: &[Call], name: &str) {
        self.push(&format!("let known = own.knows(\"{name}\");\n"));
        for run in setup.chunk_by(|a, b| every_page(a) == every_page(b)) {
            if run.first().is_some_and(every_page) {
                self.each(run);
            } else {
                self.push("if (!known) {\n");
                self.each(run);
                self.push("}\n");
            }
        }
        self.push(&format!("own.ran(\"{name}\");\n"));
    }

    /// Ends the function that makes the calls, and names its page view: the arguments of `visit` in
    /// `visit.js`.
    fn page_view(&mut self, id: Uuid, part: Part) {
        self.push(&format!(
            "}}, \"{}\"{}",
            id.simple(),
            if part == Part::Late { ", 1" } else { "" }
        ));
    }

    fn forget_setup(&mut self) {
        self.push("own.ran();\n");
    }

    fn each(&mut self, calls: &[Call]) {
        for call in calls {
            self.push("try {\n");
            self.call(call);
            self.push(";\n} catch (e) {}\n");
        }
    }

    /// `this.people.set({…})`, `this.get_group("company", "acme").set({…})`.
    fn call(&mut self, call: &Call) {
        let args = call.as_encoded();
        let (mut left, mut reader) = (
            args.len(),
            args.decoder_at(0).unwrap_or_else(|| Decoder::new(&[])),
        );
        let name = call.method().name();
        let mut name = &*name;
        self.push("this.");
        if let Some(of_group) = name.strip_prefix("get_group.") {
            let group = left.min(2);
            self.push("get_group");
            self.list(&mut reader, group);
            self.push(".");
            (name, left) = (of_group, left - group);
        }
        self.push(name);
        self.list(&mut reader, left);
    }

    fn list(&mut self, reader: &mut Decoder<'_>, count: usize) {
        for place in 0..count {
            self.push(if place == 0 { "(" } else { ", " });
            // What is recorded is whole.
            let _ = write_json(reader, Escape::Script, &mut self.text);
        }
        self.push(if count == 0 { "()" } else { ")" });
    }
}

/// `reset` drops what `register` gave every event: the next setup must run whole.
fn resets(calls: &[Call]) -> bool {
    calls.iter().any(|call| call.method() == &Method::Reset)
}

/// What of a setup runs on every page: mixpanel-js forgets `identify` with the page, and every
/// event counts. The rest would write the same profile with each page view.
fn every_page(call: &Call) -> bool {
    call.method() == &Method::Identify || call.method().is_track()
}

/// A text as JavaScript.
fn text(value: &str) -> String {
    let mut out = Vec::new();
    text_as_json(value, Escape::Script, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// JSON as JavaScript.
fn as_script(value: &Value) -> String {
    let (mut written, mut out) = (Vec::new(), Vec::new());
    write_value(value, &mut written);
    let _ = write_json(&mut Decoder::new(&written), Escape::Script, &mut out);
    String::from_utf8(out).unwrap_or_default()
}
