//! Calls as JavaScript.

use serde_json::Value;
use uuid::Uuid;

use crate::browser::setup_cache::CachedSetup;
use crate::call::value::{Decoder, Escape, text_as_json, write_json, write_value};
use crate::call::{Call, Calls, Method};

/// Writer of the script that makes the calls.
#[derive(Default)]
pub(crate) struct JsWriter {
    buffer: Vec<u8>,
}

impl JsWriter {
    /// Creates a writer with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(capacity),
        }
    }

    /// Returns the script.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.buffer
    }

    /// Appends text unescaped.
    pub(crate) fn push(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Appends the calls of all modes, in the order of the modes. The setup is rendered already.
    pub(crate) fn write_calls(&mut self, calls: &Calls, setup: Option<&CachedSetup>) {
        self.write_each(&calls.before_setup);
        if has_reset(&calls.before_setup) {
            self.forget_setup();
        }
        if let Some(setup) = setup {
            self.buffer.extend_from_slice(&setup.script);
        }
        self.write_each(&calls.tracking);
        if has_reset(&calls.tracking) {
            self.forget_setup();
        }
    }

    /// Appends the calls of a setup. If the browser ran the setup before, only those run again that
    /// every page needs.
    pub(crate) fn write_setup(&mut self, setup: &[Call], id: &str) {
        self.push(&format!("let known = own.knows(\"{id}\");\n"));
        for run in setup.chunk_by(|a, b| runs_on_every_page(a) == runs_on_every_page(b)) {
            if run.first().is_some_and(runs_on_every_page) {
                self.write_each(run);
            } else {
                self.push("if (!known) {\n");
                self.write_each(run);
                self.push("}\n");
            }
        }
        self.push(&format!("own.ran(\"{id}\");\n"));
    }

    /// Closes the function that makes the calls, and appends the other arguments of `visit` in
    /// `visit.js`. They are the page view ID, and 1 for a second snippet.
    pub(crate) fn write_page_view(&mut self, id: Uuid, is_late: bool) {
        self.push(&format!(
            "}}, \"{}\"{}",
            id.simple(),
            if is_late { ", 1" } else { "" }
        ));
    }

    fn forget_setup(&mut self) {
        self.push("own.ran();\n");
    }

    fn write_each(&mut self, calls: &[Call]) {
        for call in calls {
            self.push("try {\n");
            self.write_call(call);
            self.push(";\n} catch (e) {}\n");
        }
    }

    /// Appends `this.people.set({…})` or `this.get_group("company", "acme").set({…})`.
    fn write_call(&mut self, call: &Call) {
        let args = call.as_encoded();
        let mut decoder = args.decoder_at(0).unwrap_or_else(|| Decoder::new(&[]));
        let mut remaining = args.len();
        let name = call.method().name();
        let mut name = &*name;
        self.push("this.");
        if let Some(group_method) = name.strip_prefix("get_group.") {
            let group_args = remaining.min(2);
            self.push("get_group");
            self.write_args(&mut decoder, group_args);
            self.push(".");
            (name, remaining) = (group_method, remaining - group_args);
        }
        self.push(name);
        self.write_args(&mut decoder, remaining);
    }

    fn write_args(&mut self, decoder: &mut Decoder<'_>, count: usize) {
        for index in 0..count {
            self.push(if index == 0 { "(" } else { ", " });
            // Recorded arguments are complete, so that decoding cannot fail.
            let _ = write_json(decoder, Escape::Script, &mut self.buffer);
        }
        self.push(if count == 0 { "()" } else { ")" });
    }
}

/// Returns whether calls include `reset`. It removes the super properties of `register`, so that
/// the next setup must run completely.
fn has_reset(calls: &[Call]) -> bool {
    calls.iter().any(|call| call.method() == &Method::Reset)
}

/// Returns whether a setup call runs on every page: mixpanel-js forgets `identify` with the page,
/// and every event counts. The other calls would write the same profile with each page view.
fn runs_on_every_page(call: &Call) -> bool {
    call.method() == &Method::Identify || call.method().is_track()
}

/// Returns a text as a JavaScript string.
pub(crate) fn js_string(text: &str) -> String {
    let mut script = Vec::new();
    text_as_json(text, Escape::Script, &mut script);
    String::from_utf8(script).unwrap_or_default()
}

/// Returns JSON as JavaScript.
pub(crate) fn js_value(value: &Value) -> String {
    let (mut encoded, mut script) = (Vec::new(), Vec::new());
    write_value(value, &mut encoded);
    let _ = write_json(&mut Decoder::new(&encoded), Escape::Script, &mut script);
    String::from_utf8(script).unwrap_or_default()
}
