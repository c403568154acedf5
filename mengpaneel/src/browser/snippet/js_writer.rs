//! Calls as JavaScript.

use serde::Serialize;
use uuid::Uuid;

use crate::browser::setup_cache::CachedSetup;
use crate::call::json::{JsonRef, write_script, write_value};
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
        let mut args = call.recorded_args().iter();
        let name = call.method().name();
        let mut name = &*name;
        self.push("this.");
        if let Some(group_method) = name.strip_prefix("get_group.") {
            self.push("get_group");
            self.write_args(args.by_ref().take(2));
            self.push(".");
            name = group_method;
        }
        self.push(name);
        self.write_args(args);
    }

    fn write_args<'a>(&mut self, args: impl Iterator<Item = JsonRef<'a>>) {
        self.push("(");
        for (index, arg) in args.enumerate() {
            if index > 0 {
                self.push(", ");
            }
            write_script(arg.as_bytes(), &mut self.buffer);
        }
        self.push(")");
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

/// Returns a value as JavaScript.
pub(crate) fn js_value(value: &(impl Serialize + ?Sized)) -> String {
    let (mut json, mut script) = (Vec::new(), Vec::new());
    write_value(value, &mut json);
    write_script(&json, &mut script);
    String::from_utf8(script).unwrap_or_default()
}
