mod errors;
mod outages;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use redis::cmd;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use uuid::Uuid;

use crate::outbox::conformance;
use crate::outbox::conformance::fixtures::{events, record};
use crate::outbox::redis::connection::RedisConnection;
use crate::outbox::redis::engine::Redis;
use crate::outbox::redis::test_server::TestRedis;
use crate::outbox::{Consumer as _, Lease, Outbox as _, RecordError};

fn open(url: &str) -> Redis {
    let redis = Redis::new(url).claim_after(Duration::from_secs(1));
    redis.open().unwrap();
    redis
}

/// Connection of the test itself.
fn connect(server: &TestRedis) -> RedisConnection {
    RedisConnection::new(&server.url(), None).unwrap()
}

async fn lease_all(outbox: &Redis, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    while leases.len() < count {
        leases.extend(outbox.lease(count).await.unwrap());
    }
    leases
}

/// Appends until the event is accepted: the connection is suspended after a failure.
async fn append(outbox: &Redis, name: &str) {
    let mut record = record(name);
    while let Err(error) = outbox.append(record).await {
        record = error.record;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn redis_conforms_to_outbox_contract() {
    let server = TestRedis::start(&[]);
    let number = AtomicUsize::new(0);
    let make = || {
        Redis::new(server.url()).key(format!("outbox-{}", number.fetch_add(1, Ordering::Relaxed)))
    };
    conformance::check(make).await;
}

#[tokio::test]
async fn redis_conforms_to_durable_outbox_contract() {
    let server = TestRedis::start(&[]);
    conformance::check_durable(|| Redis::new(server.url()).claim_after(Duration::from_millis(500)))
        .await;
}

#[tokio::test]
async fn cluster_conforms_to_outbox_contract() {
    let server = TestRedis::start(&["--cluster-enabled", "yes"]);
    let node = connect(&server);
    node.query::<()>(cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383))
        .await
        .unwrap();
    let is_ready = async || {
        node.query::<String>(cmd("CLUSTER").arg("INFO"))
            .await
            .unwrap()
            .contains("cluster_state:ok")
    };
    while !is_ready().await {
        tokio::task::yield_now().await;
    }
    let number = AtomicUsize::new(0);
    let url = server.url().replace("redis://", "redis+cluster://");
    conformance::check(|| {
        Redis::new(&url).key(format!("outbox-{}", number.fetch_add(1, Ordering::Relaxed)))
    })
    .await;
}

#[tokio::test]
async fn tls_accepts_only_configured_ca() {
    let (mut server, authority) = TestRedis::with_tls();
    let outbox = Redis::new(server.url()).root_certificates(authority.as_str());
    outbox.open().unwrap();
    append(&outbox, "a").await;
    server.kill();
    server.restart();
    append(&outbox, "b").await;
    assert_eq!(events(&lease_all(&outbox, 2).await), ["a", "b"]);

    let (_other_server, other_authority) = TestRedis::with_tls();
    for untrusting in [
        Redis::new(server.url()),
        Redis::new(server.url()).root_certificates(other_authority),
    ] {
        untrusting.open().unwrap();
        let error = untrusting.append(record("c")).await.unwrap_err();
        assert!(error.reason.contains("certificate"), "{}", error.reason);
    }
    let plain_url = Redis::new("redis://127.0.0.1/")
        .root_certificates(authority)
        .open()
        .unwrap_err();
    assert!(plain_url.to_string().contains("rediss"), "{plain_url}");
    let path = Redis::new(server.url())
        .root_certificates("/etc/ca.pem")
        .open()
        .unwrap_err();
    assert!(
        path.to_string().contains("no certificate"),
        "a path is not a certificate: {path}"
    );
}

#[tokio::test]
async fn orphaned_records_are_claimed_by_one_worker() {
    let server = TestRedis::start(&[]);
    let (web, crashed) = (open(&server.url()), open(&server.url()));
    for name in ["a", "b"] {
        append(&web, name).await;
    }
    assert_eq!(events(&lease_all(&crashed, 2).await), ["a", "b"]);
    assert_eq!(
        web.pending().await,
        Ok(0),
        "another consumer has leased them"
    );
    drop(crashed);
    let (first, second) = (open(&server.url()), open(&server.url()));
    let leased = tokio::select! {
        leased = first.lease(10) => leased.unwrap(),
        leased = second.lease(10) => leased.unwrap(),
    };
    assert_eq!(events(&leased), ["a", "b"]);
    assert!(leased.iter().all(|lease| lease.redeliveries == 1));
}

#[tokio::test]
async fn full_outbox_declines_append_and_trims_nothing() {
    let server = TestRedis::start(&[]);
    let outbox = Redis::new(server.url()).max_records(2);
    outbox.open().unwrap();
    for name in ["a", "b"] {
        outbox.append(record(name)).await.unwrap();
    }
    let error = outbox.append(record("c")).await.unwrap_err();
    assert!(
        error.reason.contains("maximum of 2 records"),
        "{}",
        error.reason
    );
    let leases = lease_all(&outbox, 2).await;
    assert_eq!(events(&leases), ["a", "b"]);
    outbox
        .retry_later(&leases, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(
        outbox.append(record("c")).await.is_err(),
        "scheduled records count"
    );
}

#[tokio::test]
async fn requeue_respects_the_bound() {
    let server = TestRedis::start(&[]);
    let outbox = Redis::new(server.url()).max_records(1);
    outbox.open().unwrap();
    for name in ["a", "b"] {
        append(&outbox, name).await;
        outbox
            .dead_letter(&lease_all(&outbox, 1).await)
            .await
            .unwrap();
    }
    assert_eq!(
        outbox.requeue(usize::MAX).await,
        Ok(1),
        "the outbox has room for one record"
    );
    assert_eq!(events(&lease_all(&outbox, 1).await), ["a"]);
    assert_eq!(outbox.dead_letters(usize::MAX).await.unwrap().len(), 1);
}

#[tokio::test]
async fn unreadable_entry_is_leased_as_a_damaged_record() {
    let server = TestRedis::start(&[]);
    let outbox = open(&server.url());
    append(&outbox, "a").await;
    let node = connect(&server);
    let mut unreadable = cmd("XADD");
    unreadable.arg("{mengpaneel}:calls").arg("*");
    unreadable.arg("r").arg("no record");
    node.query::<String>(&unreadable).await.unwrap();
    let leases = lease_all(&outbox, 2).await;
    assert_eq!(
        leases[1].record.envelope(),
        Err(RecordError::Format { found: b'n' })
    );
    outbox.dead_letter(&leases[1..]).await.unwrap();
    outbox.acknowledge(&leases[..1]).await.unwrap();
    assert_eq!(outbox.pending().await, Ok(0));
    let dead_letters = outbox.dead_letters(2).await.unwrap();
    assert_eq!(dead_letters[0].as_bytes(), b"no record");
}

#[tokio::test]
async fn ten_thousand_retries_can_be_due_at_once() {
    let server = TestRedis::start(&[]);
    // On a busy machine these leases last longer than those of the other tests.
    let outbox = Redis::new(server.url()).claim_after(Duration::from_secs(60));
    outbox.open().unwrap();
    let appends = (0..10_000).map(|number| outbox.append(record(&number.to_string())));
    let appended = futures_util::future::join_all(appends).await;
    assert!(appended.iter().all(Result::is_ok));
    let leases = lease_all(&outbox, 10_000).await;
    outbox
        .retry_later(&leases, Duration::from_millis(1))
        .await
        .unwrap();
    let leases = lease_all(&outbox, 10_000).await;
    assert_eq!(
        leases
            .iter()
            .map(|lease| lease.record.id())
            .collect::<HashSet<_>>()
            .len(),
        10_000
    );
}
