//! The compiler and Clippy say the same, at the same places, with the attributes and without; and
//! no less than with `tracing::instrument`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Lints that an attribute hides, and the functions in which it does.
const HIDDEN: [(&str, &[&str]); 5] = [
    // The lint reads the `Some` at the end of the function, where the frame ends with an
    // attribute.
    (
        "clippy::unnecessary_wraps",
        &[
            "unnecessary_wraps",
            "unnecessary_wraps_of_result",
            "unnecessary_wraps_of_unit",
            "panics_in_a_result",
        ],
    ),
    // The lint wants a function that is one async block and nothing else.
    (
        "clippy::manual_async_fn",
        &["manual_async", "manual_async_of_unit"],
    ),
    // A body that `return` or `?` may leave, or whose value may borrow, stands in a closure.
    (
        "unconditional_recursion",
        &["recursion_before_an_exit", "recursion_of_a_borrow"],
    ),
    // Where the value may borrow, or several parameters are dropped in their order, the closure
    // owns what it uses.
    (
        "clippy::needless_pass_by_value",
        &[
            "needless_pass_by_value_beside_a_borrow",
            "needless_pass_by_value_of_several_before_an_exit",
        ],
    ),
    // A macro of unknown making may await.
    ("clippy::unused_async", &["unused_async_beside_a_macro"]),
];

/// Lints among [`HIDDEN`] that `instrument` shows, in functions in which the attributes hide them.
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

/// Mistakes that the compiler tells with another code, at the same line.
const TOLD_OTHERWISE: [(&str, &str); 4] = [
    // As for a closure that assigns.
    ("E0384", "assigns_to_what_cannot_change_before_an_exit"),
    // As for a local whose type is written out.
    ("E0373", "returns_a_borrowing_box"),
    // As for a closure that returns what borrows from its locals.
    ("E0597", "returns_an_iterator_of_a_local"),
    // A mistake that is two to the compiler: the type of the same `let` is unknown in two ways.
    ("E0283", "reads_before_it_is_bound"),
];

/// A mistake that the compiler tells at the return type, which is written out in the body, and not
/// at the value.
const TOLD_AT_THE_TYPE: &str = "boxes_a_borrow";

/// A complaint and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    /// The lint or the code of the error; the message, if there is none.
    code: String,
    function: String,
    line: u64,
    column: u64,
}

/// Complaints, each with its number.
type Complaints = BTreeMap<Complaint, usize>;

/// Runs Clippy on the functions that these conditions compile.
fn complaints(cfgs: &[&str]) -> Complaints {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _turn = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Cargo takes warnings from its cache unless the file is newer.
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
    let mut complaints = Complaints::new();
    for message in messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        if let Some(complaint) = complaint(&message["message"]) {
            *complaints.entry(complaint).or_default() += 1;
        }
    }
    complaints
}

fn complaint(message: &Value) -> Option<Complaint> {
    let code = message["code"]["code"]
        .as_str()
        .or(message["message"].as_str())?
        .to_owned();
    let span = message["spans"]
        .as_array()?
        .iter()
        .find(|span| span["is_primary"] == true)?;
    let (line, column) = (span["line_start"].as_u64()?, span["column_start"].as_u64()?);
    let function = function(&workspace().join(span["file_name"].as_str()?), line);
    Some(Complaint {
        code,
        function,
        line,
        column,
    })
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The function of a line, or the next one, to which attributes belong.
fn function(file: &Path, line: u64) -> String {
    let source = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = source.lines().collect();
    let declared = |line: &&str| {
        let (_, declared) = line.trim_start().split_once("fn ")?;
        (!line.starts_with("        ")).then(|| {
            declared
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
        after.iter().find_map(declared)
    } else {
        before.iter().rev().find_map(declared)
    };
    found.unwrap_or_else(|| file.display().to_string())
}

/// The complaints of `one` that `other` has not, or not as often.
fn missing(one: &Complaints, other: &Complaints) -> Vec<Complaint> {
    let is_missing = |(complaint, count): &(&Complaint, &usize)| {
        other.get(*complaint).is_none_or(|other| other < *count)
    };
    one.iter()
        .filter(is_missing)
        .map(|(complaint, _)| complaint.clone())
        .collect()
}

/// The code and the function of each complaint, once.
fn functions(complaints: Vec<Complaint>) -> Vec<(String, String)> {
    let mut functions: Vec<_> = complaints
        .into_iter()
        .map(|found| (found.code, found.function))
        .collect();
    functions.sort();
    functions.dedup();
    functions
}

fn owned(listed: impl IntoIterator<Item = (&'static str, &'static str)>) -> Vec<(String, String)> {
    let mut owned: Vec<_> = listed
        .into_iter()
        .map(|(code, function)| (code.to_owned(), function.to_owned()))
        .collect();
    owned.sort();
    owned
}

#[test]
fn attributes_add_no_lint_and_hide_those_that_are_listed() {
    let plain = complaints(&["complaints"]);
    let annotated = complaints(&["complaints", "annotated"]);
    let instrumented = complaints(&["complaints", "instrumented"]);
    for (of, all) in [
        ("plain", &plain),
        ("annotated", &annotated),
        ("instrumented", &instrumented),
    ] {
        assert!(all.len() > 200, "{of}: {all:#?}");
        assert!(
            all.keys()
                .all(|complaint| !complaint.code.starts_with("E0")),
            "{of}: {all:#?}"
        );
    }
    assert_eq!(missing(&annotated, &plain), []);
    let hidden = functions(missing(&plain, &annotated));
    let listed = HIDDEN
        .into_iter()
        .flat_map(|(lint, functions)| functions.iter().map(move |function| (lint, *function)));
    assert_eq!(hidden, owned(listed));

    let hidden_by_instrument = functions(missing(&plain, &instrumented));
    let shown: Vec<_> = hidden
        .into_iter()
        .filter(|hidden| !hidden_by_instrument.contains(hidden))
        .collect();
    assert_eq!(shown, owned(SHOWN_BY_INSTRUMENT));
}

/// What the compiler says of mistakes, without columns: that of a missing value is its block, where
/// without an attribute it is the return type before.
fn mistakes(cfgs: &[&str]) -> Complaints {
    let mut by_line = Complaints::new();
    for (mistake, count) in complaints(cfgs) {
        let code = if mistake.code.starts_with("aborting due to") {
            continue;
        } else {
            mistake.code.clone()
        };
        *by_line
            .entry(Complaint {
                code,
                column: 0,
                ..mistake
            })
            .or_default() += count;
    }
    by_line
}

#[test]
fn attributes_leave_every_mistake_at_its_line() {
    for kind in ["of_types", "of_borrows"] {
        let plain = mistakes(&["mistakes", kind]);
        let annotated = mistakes(&["mistakes", kind, "annotated"]);
        assert!(plain.len() > 25, "{plain:#?}");
        let is_listed = |mistake: &Complaint| {
            let at_line = |all: &Complaints| all.keys().any(|other| other.line == mistake.line);
            let listed = TOLD_OTHERWISE
                .iter()
                .any(|(_, function)| *function == mistake.function);
            (listed && at_line(&plain) && at_line(&annotated))
                || mistake.function == TOLD_AT_THE_TYPE
        };
        let mut differs = missing(&plain, &annotated);
        differs.extend(missing(&annotated, &plain));
        differs.retain(|mistake| !is_listed(mistake));
        assert_eq!(differs, []);
    }
}
