//! Command line of the program `mengpaneel-worker`.
#![cfg(feature = "worker")]

use std::path::PathBuf;
use std::process::{Command, Output};

use mengpaneel::outbox::{Consumer as _, File, Outbox as _, Record};
use mengpaneel::{Call, Calls, Envelope, Method, Visitor};
use serde_json::json;
use stand_in::StandIn;
use tempfile::TempDir;

/// Folder of an outbox's file, removed on drop.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("outbox")
    }

    fn outbox(&self) -> File {
        let outbox = File::new(self.file());
        outbox.try_open().unwrap();
        outbox
    }

    fn url(&self) -> String {
        format!("file:{}", self.file().display())
    }
}

/// Runs the worker to its end.
fn run_worker(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mengpaneel-worker"));
    command
        .args(args)
        .env_remove("MIXPANEL_TOKEN")
        .env_remove("OUTBOX")
        .env_remove("MIXPANEL_REGION")
        .output()
        .unwrap()
}

fn event(name: &str) -> Envelope {
    let call = Call::new(
        Method::Track,
        vec![
            json!(name),
            json!({"$insert_id": name, "time": 1_700_000_000_000_u64}),
        ],
    );
    Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

#[tokio::test]
async fn once_delivers_pending_records_and_exits() {
    let (folder, stand_in) = (Folder::new(), StandIn::start());
    let outbox = folder.outbox();
    for name in ["a", "b"] {
        outbox.append(Record::new(&event(name))).await.unwrap();
    }
    drop(outbox);
    let output = run_worker(&[
        &folder.url(),
        "--once",
        "--token",
        "demo",
        "--api-host",
        &stand_in.url(),
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("2 records delivered, 0 pending"),
        "{stderr}"
    );
    let names: Vec<_> = stand_in
        .counted()
        .iter()
        .map(|event| event.event().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(folder.outbox().pending().await, Ok(0));
}

#[tokio::test]
async fn dead_shows_dead_letters() {
    let folder = Folder::new();
    let outbox = folder.outbox();
    outbox.append(Record::new(&event("poison"))).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox.dead_letter(&leases).await.unwrap();
    drop(outbox);
    let output = run_worker(&[&folder.url(), "--dead"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["envelope"]["calls"]["tracking"][0][1][0], "poison");
}

#[tokio::test]
async fn requeue_returns_dead_letters_to_the_outbox() {
    let (folder, stand_in) = (Folder::new(), StandIn::start());
    let outbox = folder.outbox();
    for name in ["a", "b"] {
        outbox.append(Record::new(&event(name))).await.unwrap();
    }
    let leases = outbox.lease(2).await.unwrap();
    outbox.dead_letter(&leases).await.unwrap();
    // The worker waits for the process that has the file open, and names the file.
    let locked = run_worker(&[&folder.url(), "--requeue", "--timeout", "0"]);
    let stderr = String::from_utf8_lossy(&locked.stderr);
    assert!(
        !locked.status.success() && stderr.contains(&folder.file().display().to_string()),
        "{stderr}"
    );
    drop(outbox);

    let output = run_worker(&[&folder.url(), "--requeue", "--limit", "1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.contains("requeued 1 dead letters in the file"),
        "{stderr}"
    );
    assert!(run_worker(&[&folder.url(), "--requeue"]).status.success());
    assert!(run_worker(&[&folder.url(), "--dead"]).stdout.is_empty());
    assert!(
        run_worker(&[
            &folder.url(),
            "--once",
            "--token",
            "demo",
            "--api-host",
            &stand_in.url()
        ])
        .status
        .success()
    );
    let names: Vec<_> = stand_in
        .counted()
        .iter()
        .map(|event| event.event().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn worker_fails_if_redis_cannot_be_reached() {
    let redis = "redis://me:s3cret@127.0.0.1:1/";
    for args in [
        &[
            "--once",
            "--timeout",
            "1",
            "--token",
            "t",
            "--api-host",
            "http://127.0.0.1:1",
        ][..],
        &["--requeue"],
        &["--dead"],
    ] {
        let output = run_worker(&[&[redis], args].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let last = stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("mengpaneel-worker: ") && last.contains("127.0.0.1:1"),
            "{stderr}"
        );
        assert!(!stderr.contains("s3cret"), "{stderr}");
    }
}

#[tokio::test]
async fn once_fails_and_keeps_records_if_mixpanel_is_unreachable() {
    let folder = Folder::new();
    let outbox = folder.outbox();
    outbox.append(Record::new(&event("a"))).await.unwrap();
    drop(outbox);
    let output = run_worker(&[
        &folder.url(),
        "--once",
        "--timeout",
        "1",
        "--token",
        "t",
        "--api-host",
        "http://127.0.0.1:1",
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("http://127.0.0.1:1/import") && last.contains("1 record not delivered"),
        "{stderr}"
    );
    assert_eq!(folder.outbox().pending().await, Ok(1));
}

#[test]
fn invalid_arguments_are_explained() {
    let error_of = |args: &[&str]| {
        let output = run_worker(args);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(error_of(&["memory", "--token", "t"]).contains("cannot drain this outbox"));
    assert!(error_of(&["kafka://x", "--token", "t"]).contains("names no outbox"));
    assert!(error_of(&["file:/tmp/x"]).contains("token is missing"));
    let folder = Folder::new();
    assert!(
        error_of(&[&folder.url(), "--token", "t", "--region", "europe"])
            .contains("none of `us`, `eu` and `in`")
    );
}
