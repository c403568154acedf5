//! What is written into a page or a header, so that the browser runs the calls.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::call::{Call, Calls, Method};
use crate::settings::Loader;

#[cfg(test)]
mod tests;

// What `npm run minify` in `js/` makes of the scripts beside them: each page carries these.
const LOADER: &str = include_str!("loader.min.js");
const VISIT: &str = include_str!("visit.min.js");

/// One page, as far as its block is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
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
    /// What the page is to run.
    pub(crate) calls: Option<&'a Calls>,
    /// The nonce that the page's Content-Security-Policy asks for.
    pub(crate) nonce: Option<&'a str>,
}

/// The block at the end of the head: the loader, `mixpanel.init`, and the calls as one function.
/// `None` where the page needs none.
pub(crate) fn block(page: &Page<'_>) -> Option<String> {
    let calls = page.calls.filter(|calls| !calls.is_empty());
    if calls.is_none() && page.loader != Loader::Always {
        return None;
    }
    let own = own_name(page.instance);
    let mut out = open(page.nonce, &own);
    if page.loader == Loader::Never {
        out.push_str("var mixpanel = mengpaneel.queue = mengpaneel.queue || window.mixpanel || [];\n");
    } else {
        let _ = writeln!(
            out,
            "var mixpanel = {}({});\nmengpaneel.queue = mixpanel = mixpanel.init({}, {}, {});",
            LOADER,
            text(page.lib_url),
            text(page.token),
            json(page.config),
            text(&own),
        );
    }
    write_calls(&mut out, calls, &own);
    let check = if page.loader == Loader::Never {
        String::new()
    } else {
        format!("if (this.get_config(\"token\") !== {}) return;\n", text(page.token))
    };
    close(&mut out, &check);
    Some(out)
}

/// A second block, for the end of a streamed page: what was recorded after the head had passed.
/// `None` where that is nothing.
pub(crate) fn late_block(calls: &Calls, nonce: Option<&str>, instance: Option<&str>) -> Option<String> {
    if calls.is_empty() {
        return None;
    }
    let own = own_name(instance);
    let mut out = open(nonce, &own);
    out.push_str("var mixpanel = mengpaneel.queue = mengpaneel.queue || window.mixpanel || [];\n");
    write_calls(&mut out, Some(calls), &own);
    close(&mut out, "if (mengpaneel.instance && this !== mengpaneel.instance) return;\n");
    Some(out)
}

/// The value of `X-Mengpaneel-Calls`: the calls as a JSON array, in the order of their modes, in
/// ASCII.
pub(crate) fn header(calls: &Calls, with_setup: bool) -> String {
    let sent: Vec<&Call> =
        calls.before_setup.iter().chain(calls.setup.iter().filter(|_| with_setup)).chain(&calls.tracking).collect();
    let wire = serde_json::to_string(&sent).unwrap_or_else(|_| String::from("[]"));
    escape(&wire, |c| !(' '..='~').contains(&c))
}

/// The name of a setup: 16 hex digits over its method paths and arguments, the same in every
/// process and release.
pub(crate) fn setup_name(setup: &[Call]) -> String {
    let mut hash = Sha256::new();
    for call in setup {
        let mut wire = serde_json::to_value(call).unwrap_or_default();
        wire.sort_all_objects();
        hash.update(wire.to_string());
        hash.update("\n");
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// The global and the named instance that are ours.
fn own_name(instance: Option<&str>) -> String {
    instance.map_or_else(|| String::from("mengpaneel"), |name| format!("mengpaneel_{name}"))
}

fn open(nonce: Option<&str>, own: &str) -> String {
    let nonce = nonce.map_or_else(String::new, |nonce| {
        let nonce = nonce.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        format!(" nonce=\"{nonce}\"")
    });
    let own = text(own);
    // With room for what follows: a block that grows is copied each time.
    let mut out = String::with_capacity(LOADER.len() + VISIT.len() + 2048);
    let _ = write!(
        out,
        "<script{nonce}>\n(function () {{\ntry {{\n\
         var mengpaneel = window[{own}] = window[{own}] || {{}};\n\
         var visit = mengpaneel.visit = mengpaneel.visit || {VISIT}({own});\n",
    );
    out
}

/// Hands the calls to mixpanel-js, under the condition that `check` leaves standing.
fn close(out: &mut String, check: &str) {
    let _ = write!(
        out,
        "mixpanel.push(function () {{\n{check}mengpaneel.queue = this;\ncalls(this);\n}});\n\
         }} catch (e) {{}}\n}})();\n</script>\n"
    );
}

fn write_calls(out: &mut String, calls: Option<&Calls>, own: &str) {
    out.push_str("var calls = visit(function () {\n");
    if let Some(calls) = calls {
        write_modes(out, calls, own);
    }
    out.push_str("});\n");
}

fn write_modes(out: &mut String, calls: &Calls, own: &str) {
    let key = text(&format!("{own}_setup"));
    write_each(out, &calls.before_setup);
    if resets(&calls.before_setup) {
        forget_setup(out, &key);
    }
    if !calls.setup.is_empty() {
        write_setup(out, &calls.setup, &key);
    }
    write_each(out, &calls.tracking);
    if resets(&calls.tracking) {
        forget_setup(out, &key);
    }
}

fn write_setup(out: &mut String, setup: &[Call], key: &str) {
    let name = text(&setup_name(setup));
    let _ = writeln!(
        out,
        "var known = false;\ntry {{\nknown = sessionStorage.getItem({key}) === {name};\n}} catch (e) {{}}"
    );
    for run in setup.chunk_by(|a, b| every_page(a) == every_page(b)) {
        if run.first().is_some_and(every_page) {
            write_each(out, run);
        } else {
            out.push_str("if (!known) {\n");
            write_each(out, run);
            out.push_str("}\n");
        }
    }
    let _ =
        writeln!(out, "mengpaneel.setup = {name};\ntry {{\nsessionStorage.setItem({key}, {name});\n}} catch (e) {{}}");
}

/// `reset` drops what `register` gave every event: the next setup must run whole.
fn resets(calls: &[Call]) -> bool {
    calls.iter().any(|call| call.method() == &Method::Reset)
}

fn forget_setup(out: &mut String, key: &str) {
    let _ = writeln!(out, "delete mengpaneel.setup;\ntry {{\nsessionStorage.removeItem({key});\n}} catch (e) {{}}");
}

/// What of a setup runs on every page: mixpanel-js forgets `identify` with the page, and every
/// event counts. The rest would write the same profile with each page view.
fn every_page(call: &Call) -> bool {
    call.method() == &Method::Identify || call.method().is_track()
}

fn write_each(out: &mut String, calls: &[Call]) {
    for call in calls {
        out.push_str("try {\n");
        write_call(out, call);
        out.push_str(";\n} catch (e) {}\n");
    }
}

/// `this.people.set({…})`, `this.get_group("company", "acme").set({…})`.
fn write_call(out: &mut String, call: &Call) {
    let mut args = call.args();
    out.push_str("this");
    let path = call.method().path();
    for (depth, name) in path.iter().enumerate() {
        out.push('.');
        out.push_str(name);
        if depth == 0 && path.len() == 2 && *name == "get_group" {
            let (group, rest) = args.split_at(args.len().min(2));
            write_list(out, group);
            args = rest;
        }
    }
    write_list(out, args);
}

fn write_list(out: &mut String, args: &[Value]) {
    for (place, arg) in args.iter().enumerate() {
        out.push_str(if place == 0 { "(" } else { ", " });
        out.push_str(&json(arg));
    }
    out.push_str(if args.is_empty() { "()" } else { ")" });
}

fn text(value: &str) -> String {
    script_safe(serde_json::to_string(value).unwrap_or_default())
}

fn json(value: &Value) -> String {
    script_safe(serde_json::to_string(value).unwrap_or_default())
}

/// JSON that cannot end the script that it stands in, is one line of JavaScript, and reads the same
/// in whatever encoding the browser takes the page to be: ASCII.
fn script_safe(json: String) -> String {
    let is_safe = |byte: u8| byte.is_ascii() && !matches!(byte, b'<' | b'>' | b'&');
    if json.bytes().all(is_safe) {
        return json;
    }
    escape(&json, |c| !c.is_ascii() || matches!(c, '<' | '>' | '&'))
}

/// Writes these characters as their UTF-16 units, `\u003c`: in JSON, they stand in strings only.
fn escape(json: &str, which: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if which(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}
