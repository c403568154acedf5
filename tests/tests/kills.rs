//! Nothing that was answered for is lost by a kill, nothing counts twice, and what may have is
//! told. A few rounds; `cargo run -p mengpaneel-tests --bin kill-nine -- --rounds 10` makes more.

use std::process::Command;

fn survives(outbox: &str, victim: &str, what: &str) {
    let seed = std::process::id().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_kill-nine"))
        .args([
            "--outbox", outbox, "--kill", victim, "--what", what, "--rounds", "3", "--seed", &seed,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "seed {seed}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains(" 0 lost"), "{said}");
}

#[test]
fn a_file_survives_a_kill_of_the_web_process() {
    survives("file", "web", "now");
}

#[test]
fn redis_survives_a_kill_of_the_web_process() {
    survives("redis", "web", "now");
}

#[test]
fn redis_survives_a_kill_of_the_worker() {
    survives("redis", "worker", "now");
}

#[test]
fn a_kill_of_redis_loses_nothing_either() {
    survives("redis", "redis", "now");
}

#[test]
fn what_waits_for_a_page_survives_a_kill_in_a_file() {
    survives("file", "web", "delayed");
}

#[test]
fn what_waits_for_a_page_survives_a_kill_in_redis() {
    survives("redis", "web", "delayed");
}
