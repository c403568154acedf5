//! `tests/run.sh` on machines without its tools: one line names the missing tool, and no part runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Fake machine: a directory that is the whole `PATH`.
struct Machine(TempDir);

impl Machine {
    /// Creates a machine of an ordinary user with this version of Rust, without other tools.
    fn with_rust(version: &str) -> Self {
        let machine = Self::without_rust();
        machine.program("rustc", &format!("echo 'rustc {version} (0 2026-01-01)'"));
        machine.program("cargo", "echo \"cargo $*\"");
        machine
    }

    fn without_rust() -> Self {
        let machine = Self(TempDir::new().unwrap());
        for program in ["cut", "dirname", "sed", "sort"] {
            let paths = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            symlink(
                paths.iter().find(|path| path.exists()).unwrap(),
                machine.0.path().join(program),
            )
            .unwrap();
        }
        machine.program("id", "echo 1000");
        machine
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs parts of the script.
    fn run(&self, parts: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("run.sh");
        let mut bash = Command::new("/bin/bash");
        bash.env_clear()
            .env("PATH", self.0.path())
            .env("CHROMIUM", "/nonexistent")
            .arg(script)
            .args(parts);
        bash.output().unwrap()
    }

    /// Returns the one line in which the script explains why it runs no part.
    fn error_line(&self, parts: &[&str]) -> String {
        let output = self.run(parts);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let (out, error) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert!(!out.contains("=="), "a part ran: {out}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

#[test]
fn script_demands_rust_if_it_is_missing() {
    let line = Machine::without_rust().error_line(&[]);
    assert!(
        line.contains(" or newer is not installed") && line.contains("https://rustup.rs"),
        "{line}"
    );
}

#[test]
fn script_demands_newer_rust_if_it_is_old() {
    let line = Machine::with_rust("1.75.0").error_line(&[]);
    assert!(
        line.contains("Rust 1.75.0 is too old") && line.contains("https://rustup.rs"),
        "{line}"
    );
}

#[test]
fn script_demands_missing_components_of_rust() {
    let machine = Machine::with_rust("1.99.0");
    machine.program("cargo", "exit 1");
    assert!(
        machine
            .error_line(&["fmt"])
            .contains("rustup component add rustfmt")
    );
    assert!(
        machine
            .error_line(&["clippy"])
            .contains("rustup component add clippy")
    );
}

#[test]
fn script_prints_command_for_root_without_sudo() {
    let machine = Machine::with_rust("1.99.0");
    machine.program("apt-get", "exit 1");
    let line = machine.error_line(&["js"]);
    assert!(
        line.contains("root must run: apt-get update && apt-get install"),
        "{line}"
    );
    assert!(line.trim_end().ends_with(" nodejs npm chromium"), "{line}");
}

#[test]
fn script_installs_packages_with_sudo() {
    let machine = Machine::with_rust("1.99.0");
    machine.program("apt-get", "exit 1");
    machine.program("sudo", "echo \"sudo $*\"");
    let output = machine.run(&["clippy"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let (installed, checked) = (
        stdout.find("sudo env DEBIAN_FRONTEND=noninteractive"),
        stdout.find("cargo clippy"),
    );
    assert!(
        output.status.success() && installed.is_some() && installed < checked,
        "{stdout}"
    );
}

#[test]
fn script_names_missing_packages_without_apt_get() {
    let line = Machine::with_rust("1.99.0").error_line(&["browser"]);
    assert!(line.contains("not installed: gcc libc6-dev"), "{line}");
}

#[test]
fn formatting_needs_only_rust() {
    let output = Machine::with_rust("1.99.0").run(&["fmt"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && stdout.contains("cargo fmt --all -- --check"),
        "{stdout}"
    );
}

#[test]
fn script_lists_its_parts_after_unknown_name() {
    let line = Machine::with_rust("1.99.0").error_line(&["formatting"]);
    assert!(
        line.contains("there are: prose fmt clippy test doc js browser"),
        "{line}"
    );
}
