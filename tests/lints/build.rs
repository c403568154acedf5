//! Enables the tests of newer syntax if the compiler supports it.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(guards_bind)");
    if minor_version().is_some_and(|minor| minor >= 95) {
        println!("cargo::rustc-cfg=guards_bind");
    }
}

/// Returns the minor version of the compiler.
fn minor_version() -> Option<u32> {
    let output = Command::new(std::env::var_os("RUSTC")?)
        .arg("--version")
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    version
        .strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}
