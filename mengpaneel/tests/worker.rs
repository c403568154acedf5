//! The program `mengpaneel-worker`, as it is called.
#![cfg(feature = "worker")]

use std::path::PathBuf;
use std::process::{Command, Output};

use mengpaneel::outbox::{File, Outbox as _};
use mengpaneel::{Call, Calls, Method, Parcel, Visitor};
use serde_json::json;
use stand_in::StandIn;

/// A file of its own, gone when it is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("mengpaneel-worker-{}", uuid::Uuid::new_v4())))
    }

    fn outbox(&self) -> File {
        let file = File::at(&self.0);
        file.try_open().unwrap();
        file
    }

    fn url(&self) -> String {
        format!("file:{}", self.0.display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn worker(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mengpaneel-worker"));
    command
        .args(args)
        .env_remove("MIXPANEL_TOKEN")
        .env_remove("OUTBOX")
        .env_remove("MIXPANEL_REGION")
        .output()
        .unwrap()
}

fn event(name: &str) -> Parcel {
    let call = Call::new(
        Method::Track,
        vec![
            json!(name),
            json!({"$insert_id": name, "time": 1_700_000_000_000_u64}),
        ],
    );
    Parcel::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

#[tokio::test]
async fn once_it_delivers_what_waits_and_ends() {
    let (place, stand_in) = (Place::new(), StandIn::start());
    let outbox = place.outbox();
    for name in ["a", "b"] {
        outbox.append(event(name)).await.unwrap();
    }
    drop(outbox);
    let output = worker(&[
        &place.url(),
        "--once",
        "--token",
        "demo",
        "--api-host",
        &stand_in.url(),
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 records done, 0 wait"), "{said}");
    let names: Vec<_> = stand_in
        .counted()
        .iter()
        .map(|event| event.event().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(place.outbox().waiting().await, Ok(0));
}

#[tokio::test]
async fn it_shows_what_was_given_up() {
    let place = Place::new();
    let outbox = place.outbox();
    outbox.append(event("poison")).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox.bury(leases).await.unwrap();
    drop(outbox);
    let output = worker(&[&place.url(), "--dead"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["parcel"]["calls"]["tracking"][0][1][0], "poison");
}

#[tokio::test]
async fn it_puts_back_what_was_given_up() {
    let (place, stand_in) = (Place::new(), StandIn::start());
    let outbox = place.outbox();
    for name in ["a", "b"] {
        outbox.append(event(name)).await.unwrap();
    }
    let leases = outbox.lease(2).await.unwrap();
    outbox.bury(leases).await.unwrap();
    // A process that has it open is waited for, and named.
    let locked = worker(&[&place.url(), "--requeue", "--timeout", "0"]);
    let said = String::from_utf8_lossy(&locked.stderr);
    assert!(
        !locked.status.success() && said.contains(&place.0.display().to_string()),
        "{said}"
    );
    drop(outbox);

    let output = worker(&[&place.url(), "--requeue", "--limit", "1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("put 1 dead letters back in the file"),
        "{said}"
    );
    assert!(worker(&[&place.url(), "--requeue"]).status.success());
    assert!(worker(&[&place.url(), "--dead"]).stdout.is_empty());
    assert!(
        worker(&[
            &place.url(),
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
fn once_it_fails_where_redis_cannot_be_reached() {
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
        let output = worker(&[&[redis], args].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("mengpaneel-worker: ") && last.contains("127.0.0.1:1"),
            "{said}"
        );
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn once_it_fails_where_mixpanel_cannot_be_reached_and_keeps_what_waits() {
    let place = Place::new();
    let outbox = place.outbox();
    outbox.append(event("a")).await.unwrap();
    drop(outbox);
    let output = worker(&[
        &place.url(),
        "--once",
        "--timeout",
        "1",
        "--token",
        "t",
        "--api-host",
        "http://127.0.0.1:1",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.contains("http://127.0.0.1:1/import") && last.contains("1 record not delivered"),
        "{said}"
    );
    assert_eq!(place.outbox().waiting().await, Ok(1));
}

#[test]
fn what_it_cannot_do_it_says() {
    let said = |args: &[&str]| {
        let output = worker(args);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&["memory", "--token", "t"]).contains("nothing that a worker could drain"));
    assert!(said(&["kafka://x", "--token", "t"]).contains("names no outbox"));
    assert!(said(&["file:/tmp/x"]).contains("token is needed"));
    let place = Place::new();
    assert!(
        said(&[&place.url(), "--token", "t", "--region", "europe"])
            .contains("none of `us`, `eu` and `in`")
    );
}
