//! Recovery from killed processes: no recorded call is lost, none counts twice, and increments in
//! doubt are reported.
//!
//! Each test runs three rounds. More rounds:
//! `cargo run -p mengpaneel-tests --bin crash-test -- --rounds 10`.

use std::process::Command;

fn assert_survives(outbox: &str, target: &str, route: &str) {
    let seed = std::process::id().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_crash-test"))
        .args([
            "--outbox", outbox, "--kill", target, "--route", route, "--rounds", "3", "--seed",
            &seed,
        ])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "seed {seed}: {report}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(report.contains(" 0 lost"), "{report}");
}

#[test]
fn file_outbox_survives_kill_of_web_process() {
    assert_survives("file", "web", "now");
}

#[test]
fn redis_outbox_survives_kill_of_web_process() {
    assert_survives("redis", "web", "now");
}

#[test]
fn redis_outbox_survives_kill_of_worker() {
    assert_survives("redis", "worker", "now");
}

#[test]
fn redis_outbox_survives_kill_of_redis() {
    assert_survives("redis", "redis", "now");
}

#[test]
fn delayed_calls_in_file_survive_kill_of_web_process() {
    assert_survives("file", "web", "delayed");
}

#[test]
fn delayed_calls_in_redis_survive_kill_of_web_process() {
    assert_survives("redis", "web", "delayed");
}
