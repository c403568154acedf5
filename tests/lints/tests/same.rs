//! The compiler and Clippy complain of the same, at the same places, with the attributes and without.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Lints that look at what stands in the function itself: there, with an attribute, the body is a closure
/// or an async block.
const OF_THE_BODY: [&str; 6] = [
    "clippy::manual_async_fn",
    "clippy::needless_lifetimes",
    "clippy::needless_pass_by_value",
    "clippy::unnecessary_wraps",
    "clippy::unused_async",
    "unconditional_recursion",
];

/// The complaints by lint and line, each with its number.
type Complaints = BTreeMap<(String, u64), usize>;

fn complaints(cfgs: &[&str]) -> Complaints {
    // Cargo takes warnings from its cache unless the file is newer.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let now = std::time::SystemTime::now();
    std::fs::File::options().append(true).open(source).unwrap().set_modified(now).unwrap();
    let mut clippy = Command::new(env!("CARGO"));
    clippy.args([
        "clippy",
        "--quiet",
        "-p",
        env!("CARGO_PKG_NAME"),
        "--lib",
        "--message-format=json",
        "--",
        "--cap-lints=warn",
    ]);
    for cfg in cfgs {
        clippy.args(["--cfg", cfg]);
    }
    let output = clippy.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut complaints = Complaints::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let message = &message["message"];
        assert_ne!(message["level"], "error", "{message}");
        let Some(code) = message["code"]["code"].as_str() else { continue };
        let spans = message["spans"].as_array().into_iter().flatten();
        let line = spans.filter(|span| span["is_primary"] == true).find_map(|span| span["line_start"].as_u64());
        *complaints.entry((code.to_owned(), line.unwrap_or_default())).or_default() += 1;
    }
    complaints
}

#[test]
fn attributes_neither_add_nor_hide_a_complaint() {
    let plain = complaints(&["complaints"]);
    let annotated = complaints(&["complaints", "annotated"]);
    assert!(plain.len() > 60, "{plain:#?}");
    let differs = |one: &Complaints, other: &Complaints| -> Vec<_> {
        one.iter().filter(|(key, count)| other.get(*key) != Some(*count)).map(|(key, _)| key.clone()).collect()
    };
    let (mut hidden, added) = (differs(&plain, &annotated), differs(&annotated, &plain));
    hidden.retain(|(lint, _)| !OF_THE_BODY.contains(&lint.as_str()));
    assert!(hidden.is_empty() && added.is_empty(), "hidden: {hidden:#?}\nadded: {added:#?}");
}
