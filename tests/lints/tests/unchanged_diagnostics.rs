//! Diagnostics of rustc and Clippy are the same, at the same positions, with the attributes and
//! without. The constants below list the exceptions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Lints that an attribute hides, each with the functions in which it does.
const HIDDEN_LINTS: [(&str, &[&str]); 5] = [
    // The lint looks for a `Some` at the end of the function. With an attribute, the frame ends
    // there.
    (
        "clippy::unnecessary_wraps",
        &[
            "unnecessary_wraps",
            "unnecessary_wraps_of_result",
            "unnecessary_wraps_of_unit",
            "panics_in_a_result",
        ],
    ),
    // The lint looks for a function that is one async block and nothing else.
    (
        "clippy::manual_async_fn",
        &["manual_async", "manual_async_of_unit"],
    ),
    // A body that `return` or `?` may leave, or whose value may borrow, is in a closure.
    (
        "unconditional_recursion",
        &["recursion_before_an_exit", "recursion_of_a_borrow"],
    ),
    // If the value may borrow, or several parameters are dropped in their order, the closure is a
    // `move` closure.
    (
        "clippy::needless_pass_by_value",
        &[
            "needless_pass_by_value_beside_a_borrow",
            "needless_pass_by_value_of_several_before_an_exit",
        ],
    ),
    // An unknown macro may contain `.await`.
    ("clippy::unused_async", &["unused_async_beside_a_macro"]),
];

/// Lints of [`HIDDEN_LINTS`] that are not hidden by `tracing::instrument`, each with the function.
const SHOWN_BY_INSTRUMENT: [(&str, &str); 2] = [
    (
        "clippy::needless_pass_by_value",
        "needless_pass_by_value_beside_a_borrow",
    ),
    (
        "clippy::needless_pass_by_value",
        "needless_pass_by_value_of_several_before_an_exit",
    ),
];

/// Errors that have another code with an attribute, at the same line, each with the function.
const OTHER_CODES: [(&str, &str); 4] = [
    // The code for a closure that assigns.
    ("E0384", "assigns_to_immutable_before_an_exit"),
    // The code for a local whose type is written out.
    ("E0373", "returns_a_borrowing_box"),
    // The code for a closure that returns a borrow of its locals.
    ("E0597", "returns_an_iterator_of_a_local"),
    // The compiler reports this error twice, with two codes for the type of the same `let`.
    ("E0283", "reads_before_it_is_bound"),
];

/// Function whose error is at the return type, which the body repeats, instead of at the value.
const AT_RETURN_TYPE: &str = "boxes_a_borrow";

/// Diagnostic of rustc or Clippy, and its position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Diagnostic {
    /// Lint, or code of the error. The message if there is neither.
    code: String,
    function: String,
    line: u64,
    column: u64,
}

/// Diagnostics, each with the number of times it was reported.
type Diagnostics = BTreeMap<Diagnostic, usize>;

/// Runs Clippy on the functions that these `cfg` conditions enable.
fn diagnostics(cfgs: &[&str]) -> Diagnostics {
    // Each run changes the time of the same file.
    static SERIAL: Mutex<()> = Mutex::new(());
    let _guard = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    // Cargo reports warnings from its cache unless the file is newer.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let now = std::time::SystemTime::now();
    std::fs::File::options()
        .append(true)
        .open(source)
        .unwrap()
        .set_modified(now)
        .unwrap();
    let mut clippy = Command::new(env!("CARGO"));
    let args = [
        "clippy",
        "--quiet",
        "-p",
        env!("CARGO_PKG_NAME"),
        "--lib",
        "--message-format=json",
    ];
    clippy.args(args).args(["--", "--cap-lints=warn"]);
    for cfg in cfgs {
        clippy.args(["--cfg", cfg]);
    }
    let output = clippy
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut diagnostics = Diagnostics::new();
    for message in messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        if let Some(diagnostic) = diagnostic(&message["message"]) {
            *diagnostics.entry(diagnostic).or_default() += 1;
        }
    }
    diagnostics
}

fn diagnostic(message: &Value) -> Option<Diagnostic> {
    let code = message["code"]["code"]
        .as_str()
        .or(message["message"].as_str())?
        .to_owned();
    let span = message["spans"]
        .as_array()?
        .iter()
        .find(|span| span["is_primary"] == true)?;
    let (line, column) = (span["line_start"].as_u64()?, span["column_start"].as_u64()?);
    let function = function_at(&workspace().join(span["file_name"].as_str()?), line);
    Some(Diagnostic {
        code,
        function,
        line,
        column,
    })
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the name of the function around a line. For the line of an attribute, that of the next
/// function.
fn function_at(file: &Path, line: u64) -> String {
    let source = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = source.lines().collect();
    let declared_name = |line: &&str| {
        let (_, declaration) = line.trim_start().split_once("fn ")?;
        (!line.starts_with("        ")).then(|| {
            declaration
                .split(['(', '<'])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
    };
    let (before, after) = lines.split_at(usize::try_from(line).unwrap().min(lines.len()));
    let is_attribute = before
        .last()
        .is_some_and(|line| line.trim_start().starts_with("#["));
    let found = if is_attribute {
        after.iter().find_map(declared_name)
    } else {
        before.iter().rev().find_map(declared_name)
    };
    found.unwrap_or_else(|| file.display().to_string())
}

/// Returns the diagnostics of `one` that `other` lacks, or has less often.
fn missing(one: &Diagnostics, other: &Diagnostics) -> Vec<Diagnostic> {
    let is_missing = |(diagnostic, count): &(&Diagnostic, &usize)| {
        other.get(*diagnostic).is_none_or(|other| other < *count)
    };
    one.iter()
        .filter(is_missing)
        .map(|(diagnostic, _)| diagnostic.clone())
        .collect()
}

/// Returns the pairs of code and function of diagnostics, each once.
fn functions(diagnostics: Vec<Diagnostic>) -> Vec<(String, String)> {
    let mut functions: Vec<_> = diagnostics
        .into_iter()
        .map(|diagnostic| (diagnostic.code, diagnostic.function))
        .collect();
    functions.sort();
    functions.dedup();
    functions
}

/// Sorts a list of pairs of code and function.
fn sorted(listed: impl IntoIterator<Item = (&'static str, &'static str)>) -> Vec<(String, String)> {
    let mut sorted: Vec<_> = listed
        .into_iter()
        .map(|(code, function)| (code.to_owned(), function.to_owned()))
        .collect();
    sorted.sort();
    sorted
}

#[test]
fn attributes_add_no_lint_and_hide_only_listed_ones() {
    let plain = diagnostics(&["warnings"]);
    let annotated = diagnostics(&["warnings", "annotated"]);
    let instrumented = diagnostics(&["warnings", "instrumented"]);
    for (name, all) in [
        ("plain", &plain),
        ("annotated", &annotated),
        ("instrumented", &instrumented),
    ] {
        assert!(all.len() > 200, "{name}: {all:#?}");
        assert!(
            all.keys()
                .all(|diagnostic| !diagnostic.code.starts_with("E0")),
            "{name}: {all:#?}"
        );
    }
    assert_eq!(missing(&annotated, &plain), []);
    let hidden = functions(missing(&plain, &annotated));
    let listed = HIDDEN_LINTS
        .into_iter()
        .flat_map(|(lint, functions)| functions.iter().map(move |function| (lint, *function)));
    assert_eq!(hidden, sorted(listed));

    let hidden_by_instrument = functions(missing(&plain, &instrumented));
    let shown: Vec<_> = hidden
        .into_iter()
        .filter(|hidden| !hidden_by_instrument.contains(hidden))
        .collect();
    assert_eq!(shown, sorted(SHOWN_BY_INSTRUMENT));
}

/// Returns the errors without columns. The column of a missing value differs: with an attribute it
/// is that of the block, without it is that of the return type.
fn errors(cfgs: &[&str]) -> Diagnostics {
    let mut by_line = Diagnostics::new();
    for (error, count) in diagnostics(cfgs) {
        let code = if error.code.starts_with("aborting due to") {
            continue;
        } else {
            error.code.clone()
        };
        *by_line
            .entry(Diagnostic {
                code,
                column: 0,
                ..error
            })
            .or_default() += count;
    }
    by_line
}

#[test]
fn attributes_leave_every_error_at_its_line() {
    for kind in ["type_errors", "borrow_errors"] {
        let plain = errors(&["errors", kind]);
        let annotated = errors(&["errors", kind, "annotated"]);
        assert!(plain.len() > 25, "{plain:#?}");
        let is_listed = |error: &Diagnostic| {
            let has_line = |all: &Diagnostics| all.keys().any(|other| other.line == error.line);
            let listed = OTHER_CODES
                .iter()
                .any(|(_, function)| *function == error.function);
            (listed && has_line(&plain) && has_line(&annotated)) || error.function == AT_RETURN_TYPE
        };
        let mut differs = missing(&plain, &annotated);
        differs.extend(missing(&annotated, &plain));
        differs.retain(|error| !is_listed(error));
        assert_eq!(differs, []);
    }
}
