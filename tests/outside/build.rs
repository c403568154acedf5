//! Extracts the program from the README. The crate is that program, except for the address.

use std::path::Path;
use std::{env, fs};

const README: &str = "../../README.md";

/// Address in the README. Tests replace it by a free one.
const ADDRESS: &str = "\"127.0.0.1:8080\"";

fn main() {
    println!("cargo::rerun-if-changed={README}");
    let readme = fs::read_to_string(README).expect("the README");
    let program = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let program = program.expect("a program in the README");
    assert!(
        program.contains(ADDRESS),
        "the README's program does not listen on {ADDRESS}"
    );
    let program = program.replace(ADDRESS, "std::env::var(\"ADDRESS\")?");
    let directory = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&directory).join("program.rs"), program).expect("the program's file");
}
