//! `tests/run.sh` on machines that lack something: one line says what, and nothing is begun.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory that is the whole `PATH` of a machine.
struct Machine(PathBuf);

impl Machine {
    /// A machine of an ordinary user with this version of Rust, and with nothing else to install or
    /// build with.
    fn with_rust(version: &str) -> Self {
        let machine = Self::without_rust();
        machine.program("rustc", &format!("echo 'rustc {version} (0 2026-01-01)'"));
        machine.program("cargo", "echo \"cargo $*\"");
        machine
    }

    fn without_rust() -> Self {
        let directory =
            std::env::temp_dir().join(format!("mengpaneel-machine-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&directory).unwrap();
        let machine = Self(directory);
        for program in ["cut", "dirname", "sed", "sort"] {
            let place = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            symlink(
                place.iter().find(|place| place.exists()).unwrap(),
                machine.0.join(program),
            )
            .unwrap();
        }
        machine.program("id", "echo 1000");
        machine
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs parts of the script.
    fn run(&self, parts: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("run.sh");
        let mut bash = Command::new("/bin/bash");
        bash.env_clear()
            .env("PATH", &self.0)
            .env("CHROMIUM", "/nonexistent")
            .arg(script)
            .args(parts);
        bash.output().unwrap()
    }

    /// Returns the one line in which the script says why it does not begin.
    fn refusal(&self, parts: &[&str]) -> String {
        let output = self.run(parts);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let (out, error) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert!(!out.contains("=="), "a part began: {out}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn script_asks_for_rust_where_it_is_missing() {
    let refusal = Machine::without_rust().refusal(&[]);
    assert!(
        refusal.contains(" or newer is not installed") && refusal.contains("https://rustup.rs"),
        "{refusal}"
    );
}

#[test]
fn script_asks_for_newer_rust_where_it_is_old() {
    let refusal = Machine::with_rust("1.75.0").refusal(&[]);
    assert!(
        refusal.contains("Rust 1.75.0 is too old") && refusal.contains("https://rustup.rs"),
        "{refusal}"
    );
}

#[test]
fn script_asks_for_missing_components_of_rust() {
    let machine = Machine::with_rust("1.99.0");
    machine.program("cargo", "exit 1");
    assert!(
        machine
            .refusal(&["fmt"])
            .contains("rustup component add rustfmt")
    );
    assert!(
        machine
            .refusal(&["clippy"])
            .contains("rustup component add clippy")
    );
}

#[test]
fn script_says_what_root_must_run_without_sudo() {
    let machine = Machine::with_rust("1.99.0");
    machine.program("apt-get", "exit 1");
    let refusal = machine.refusal(&["js"]);
    assert!(
        refusal.contains("root must run: apt-get update && apt-get install"),
        "{refusal}"
    );
    assert!(
        refusal.trim_end().ends_with(" nodejs npm chromium"),
        "{refusal}"
    );
}

#[test]
fn script_installs_by_sudo_for_an_ordinary_user() {
    let machine = Machine::with_rust("1.99.0");
    machine.program("apt-get", "exit 1");
    machine.program("sudo", "echo \"sudo $*\"");
    let output = machine.run(&["clippy"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let (installed, checked) = (
        said.find("sudo env DEBIAN_FRONTEND=noninteractive"),
        said.find("cargo clippy"),
    );
    assert!(
        output.status.success() && installed.is_some() && installed < checked,
        "{said}"
    );
}

#[test]
fn script_names_the_packages_without_apt_get() {
    let refusal = Machine::with_rust("1.99.0").refusal(&["browser"]);
    assert!(
        refusal.contains("not installed: gcc libc6-dev"),
        "{refusal}"
    );
}

#[test]
fn formatting_needs_nothing_but_rust() {
    let output = Machine::with_rust("1.99.0").run(&["fmt"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("cargo fmt --all -- --check"),
        "{said}"
    );
}

#[test]
fn script_lists_its_parts_for_an_unknown_one() {
    let refusal = Machine::with_rust("1.99.0").refusal(&["formatting"]);
    assert!(
        refusal.contains("there are: fmt clippy test doc js browser"),
        "{refusal}"
    );
}
