use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use redis::cmd;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use uuid::Uuid;

use crate::call::{Call, Calls, Method};
use crate::outbox::conformance;
use crate::outbox::redis::connection::{RedisAddr as Address, RedisConnection};
use crate::outbox::redis::engine::{QUERY_TIMEOUT, Redis};
use crate::outbox::redis::test_server::TestRedis;
use crate::outbox::{Lease, LeaseId, Outbox};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;

fn parcel(method: Method, name: &str) -> Envelope {
    let call = Call::new(method, vec![json!(name)]);
    Envelope::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

fn event(name: &str) -> Envelope {
    parcel(Method::Track, name)
}

fn opened(url: &str) -> Redis {
    let redis = Redis::new(url).claim_after(Duration::from_secs(1));
    redis.open().unwrap();
    redis
}

fn names(leases: &[Lease]) -> Vec<&str> {
    leases
        .iter()
        .filter_map(|lease| lease.envelope.calls.tracking[0].str_arg(0))
        .collect()
}

async fn lease_all(outbox: &Redis, count: usize) -> Vec<Lease> {
    let mut leases = Vec::new();
    while leases.len() < count {
        leases.extend(outbox.lease(count).await.unwrap());
    }
    leases
}

/// Appends until it is taken: the link rests after a failure.
async fn append(outbox: &Redis, name: &str) {
    let mut parcel = event(name);
    while let Err(declined) = outbox.append(parcel).await {
        parcel = *declined.envelope;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_holds_what_every_outbox_must() {
    let server = TestRedis::start(&[]);
    let number = AtomicUsize::new(0);
    let make =
        || Redis::new(server.url()).key(format!("of-{}", number.fetch_add(1, Ordering::Relaxed)));
    conformance::check(make).await;
}

#[tokio::test]
async fn it_holds_what_every_durable_outbox_must() {
    let server = TestRedis::start(&[]);
    conformance::check_durable(|| Redis::new(server.url()).claim_after(Duration::from_millis(500)))
        .await;
}

#[tokio::test]
async fn a_cluster_is_an_outbox_too() {
    let server = TestRedis::start(&["--cluster-enabled", "yes"]);
    let node = RedisConnection::new(
        Address::parse(&server.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    );
    node.query::<()>(cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383))
        .await
        .unwrap();
    let is_whole = async || {
        node.query::<String>(cmd("CLUSTER").arg("INFO"))
            .await
            .unwrap()
            .contains("cluster_state:ok")
    };
    while !is_whole().await {
        tokio::task::yield_now().await;
    }
    let number = AtomicUsize::new(0);
    let url = server.url().replace("redis://", "redis+cluster://");
    conformance::check(|| {
        Redis::new(&url).key(format!("of-{}", number.fetch_add(1, Ordering::Relaxed)))
    })
    .await;
}

#[tokio::test]
async fn over_tls_it_is_known_by_a_private_ca_and_by_no_other() {
    let (mut server, authority) = TestRedis::with_tls();
    let outbox = Redis::new(server.url()).root_certificates(authority.as_str());
    outbox.open().unwrap();
    append(&outbox, "a").await;
    server.kill();
    server.start_again();
    append(&outbox, "b").await;
    assert_eq!(names(&lease_all(&outbox, 2).await), ["a", "b"]);

    let (_other, others) = TestRedis::with_tls();
    for stranger in [
        Redis::new(server.url()),
        Redis::new(server.url()).root_certificates(others),
    ] {
        stranger.open().unwrap();
        let declined = stranger.append(event("c")).await.unwrap_err();
        assert!(
            declined.reason.contains("certificate"),
            "{}",
            declined.reason
        );
    }
    let plain = Redis::new("redis://127.0.0.1/")
        .root_certificates(authority)
        .open()
        .unwrap_err();
    assert!(plain.to_string().contains("rediss"), "{plain}");
    let none = Redis::new(server.url())
        .root_certificates("/etc/ca.pem")
        .open()
        .unwrap_err();
    assert!(
        none.to_string().contains("no certificate"),
        "a path is none: {none}"
    );
}

#[tokio::test]
async fn what_one_worker_left_is_claimed_by_another_and_nobody_elses() {
    let server = TestRedis::start(&[]);
    let (web, dying) = (opened(&server.url()), opened(&server.url()));
    for name in ["a", "b"] {
        append(&web, name).await;
    }
    assert_eq!(names(&lease_all(&dying, 2).await), ["a", "b"]);
    assert_eq!(web.pending().await, Ok(0), "another has them in hand");
    drop(dying);
    let (one, other) = (opened(&server.url()), opened(&server.url()));
    let leased = tokio::select! {
        leased = one.lease(10) => leased.unwrap(),
        leased = other.lease(10) => leased.unwrap(),
    };
    assert_eq!(names(&leased), ["a", "b"]);
    assert!(leased.iter().all(|lease| lease.redeliveries == 1));
}

#[tokio::test]
async fn past_its_bound_it_hands_the_parcel_back_and_trims_nothing() {
    let server = TestRedis::start(&[]);
    let outbox = Redis::new(server.url()).max_records(2);
    outbox.open().unwrap();
    for name in ["a", "b"] {
        outbox.append(event(name)).await.unwrap();
    }
    let declined = outbox.append(event("c")).await.unwrap_err();
    assert!(
        declined.reason.contains("as many records wait"),
        "{}",
        declined.reason
    );
    let leases = lease_all(&outbox, 2).await;
    assert_eq!(names(&leases), ["a", "b"]);
    outbox
        .retry_later(leases, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(
        outbox.append(event("c")).await.is_err(),
        "what is put off counts"
    );
}

#[tokio::test]
async fn dead_letters_are_put_back_within_the_bound_and_unreadable_ones_stay() {
    let server = TestRedis::start(&[]);
    let outbox = Redis::new(server.url()).max_records(1);
    outbox.open().unwrap();
    let node = RedisConnection::new(
        Address::parse(&server.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    );
    let broken = cmd("XADD")
        .arg("{mengpaneel}:buried")
        .arg("*")
        .arg("r")
        .arg("no record")
        .to_owned();
    node.query::<String>(&broken).await.unwrap();
    for name in ["a", "b"] {
        append(&outbox, name).await;
        outbox
            .dead_letter(lease_all(&outbox, 1).await)
            .await
            .unwrap();
    }
    assert_eq!(
        outbox.requeue(usize::MAX).await,
        Ok(1),
        "there is room for one"
    );
    assert_eq!(names(&lease_all(&outbox, 1).await), ["a"]);
    assert_eq!(outbox.dead_letters(usize::MAX).await.unwrap().len(), 1);
    assert_eq!(
        node.query::<usize>(cmd("XLEN").arg("{mengpaneel}:buried"))
            .await
            .unwrap(),
        2,
        "the unreadable one stays"
    );
}

#[tokio::test]
async fn each_error_names_the_redis_without_its_password() {
    let address = "127.0.0.1:1";
    let outbox = Redis::new(format!("redis://me:s3cret@{address}/"));
    let unopened = outbox.pending().await.unwrap_err().to_string();
    assert!(unopened.contains(address), "{unopened}");
    outbox.open().unwrap();
    for text in [
        unopened,
        outbox.description(),
        outbox.append(event("a")).await.unwrap_err().reason,
        outbox
            .schedule_fallback(event("a"), Duration::ZERO)
            .await
            .unwrap_err()
            .reason,
        outbox.pending().await.unwrap_err().to_string(),
        outbox.dead_letters(1).await.unwrap_err().to_string(),
        outbox.requeue(1).await.unwrap_err().to_string(),
        outbox
            .acknowledge(vec![LeaseId("1-1".into())])
            .await
            .unwrap_err()
            .to_string(),
        outbox
            .claim_fallback(Uuid::nil())
            .await
            .unwrap_err()
            .to_string(),
        outbox
            .finish_fallback(Uuid::nil(), true)
            .await
            .unwrap_err()
            .to_string(),
    ] {
        assert!(text.contains(address) && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn a_full_redis_is_named_with_its_bound() {
    let server = TestRedis::start(&[]);
    let outbox = Redis::new(server.url()).max_records(0);
    outbox.open().unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    for reason in [
        outbox.append(event("a")).await.unwrap_err().reason,
        outbox
            .schedule_fallback(event("a"), Duration::ZERO)
            .await
            .unwrap_err()
            .reason,
    ] {
        assert!(
            reason.contains(&address) && reason.contains("(0)"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_redis_that_is_away_is_declined_at_once_and_used_again_when_it_is_back() {
    let mut server = TestRedis::start(&[]);
    let outbox = opened(&server.url());
    append(&outbox, "a").await;
    server.kill();
    let declined = outbox.append(event("b")).await.unwrap_err();
    assert!(declined.reason.contains("Redis"), "{}", declined.reason);
    server.start_again();
    append(&outbox, "c").await;
    assert_eq!(names(&lease_all(&outbox, 2).await), ["a", "c"]);
}

/// One address in front of several servers: new connections reach the one that is named, old ones
/// stay where they are.
async fn address_of(target: Arc<AtomicU16>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let port = target.load(Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    url
}

async fn replicate(of: &TestRedis, from: &TestRedis) {
    let node = RedisConnection::new(
        Address::parse(&of.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    );
    node.query::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(from.port()))
        .await
        .unwrap();
    let is_there = async || {
        let info: String = node.query(cmd("INFO").arg("replication")).await.unwrap();
        info.contains("master_link_status:up")
    };
    while !is_there().await {
        tokio::task::yield_now().await;
    }
}

async fn promote(server: &TestRedis) {
    let node = RedisConnection::new(
        Address::parse(&server.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    );
    node.query::<()>(cmd("REPLICAOF").arg("NO").arg("ONE"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_failover_behind_one_address_is_followed_at_once() {
    let (old, new) = (TestRedis::start(&[]), TestRedis::start(&[]));
    replicate(&new, &old).await;
    let target = Arc::new(AtomicU16::new(old.port()));
    let outbox = opened(&address_of(Arc::clone(&target)).await);
    append(&outbox, "before").await;
    assert_eq!(names(&lease_all(&outbox, 1).await), ["before"]);
    append(&outbox, "waits").await;
    // `WAIT` would wait for the writes of its own connection only.
    let node = RedisConnection::new(
        Address::parse(&new.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    );
    while node
        .query::<usize>(cmd("XLEN").arg("{mengpaneel}:calls"))
        .await
        .unwrap()
        < 2
    {
        tokio::task::yield_now().await;
    }
    promote(&new).await;
    target.store(new.port(), Ordering::Relaxed);
    // Its connections stay open, as those of a demoted primary in a managed Redis do.
    replicate(&old, &new).await;
    outbox
        .append(event("after"))
        .await
        .expect("the new primary is asked at once");
    let mut left = HashSet::from(["before".to_owned(), "waits".to_owned(), "after".to_owned()]);
    while !left.is_empty() {
        for lease in outbox.lease(10).await.unwrap() {
            left.remove(lease.envelope.calls.tracking[0].str_arg(0).unwrap());
        }
    }
}

#[tokio::test]
async fn while_there_is_no_primary_appends_are_declined_and_workers_wait() {
    let (primary, replica) = (TestRedis::start(&[]), TestRedis::start(&[]));
    let outbox = opened(&replica.url());
    append(&outbox, "a").await;
    replicate(&replica, &primary).await;
    let declined = outbox.append(event("b")).await.unwrap_err();
    assert!(
        declined.reason.to_lowercase().contains("read"),
        "{}",
        declined.reason
    );
    let mut leasing = outbox.lease(10);
    assert!(timeout(Duration::ZERO, &mut leasing).await.is_err());
    for _ in 0..1_000 {
        outbox.append(event("c")).await.unwrap_err();
    }
    assert!(
        timeout(Duration::ZERO, &mut leasing).await.is_err(),
        "it waits, and fails not"
    );
    promote(&replica).await;
    append(&outbox, "d").await;
    assert_eq!(
        names(&leasing.await.unwrap()),
        ["d"],
        "replication took the rest away"
    );
}

#[tokio::test]
async fn what_would_count_twice_is_not_handed_back_while_nobody_knows_whether_it_was_kept() {
    let server = TestRedis::start(&[]);
    let outbox = opened(&server.url());
    append(&outbox, "a").await;
    // Takes the command, and answers after the patience of whoever asks.
    let node = RedisConnection::new(
        Address::parse(&server.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    );
    node.query::<()>(cmd("CLIENT").arg("PAUSE").arg(2_500).arg("WRITE"))
        .await
        .unwrap();
    let delicate = parcel(Method::PeopleIncrement, "b");
    let (kept, declined) = tokio::join!(outbox.append(delicate), outbox.append(event("c")));
    assert!(kept.is_ok(), "it stays with the outbox until it is known");
    assert!(declined.is_err(), "what can be sent twice goes another way");
    let leases = lease_all(&outbox, 2).await;
    let of = |name: &str| {
        names(&leases)
            .iter()
            .filter(|found| **found == name)
            .count()
    };
    assert_eq!((of("a"), of("b")), (1, 1), "{:?}", names(&leases));
}

#[tokio::test]
async fn ten_thousand_retries_that_are_due_at_once_do_not_stop_it() {
    let server = TestRedis::start(&[]);
    // On a busy machine they are in hand for longer than those of the other tests.
    let outbox = Redis::new(server.url()).claim_after(Duration::from_secs(60));
    outbox.open().unwrap();
    let appends = (0..10_000).map(|number| outbox.append(event(&number.to_string())));
    let appended = futures_util::future::join_all(appends).await;
    assert!(appended.iter().all(Result::is_ok));
    let leases = lease_all(&outbox, 10_000).await;
    outbox
        .retry_later(leases, Duration::from_millis(1))
        .await
        .unwrap();
    let leases = lease_all(&outbox, 10_000).await;
    assert_eq!(
        leases
            .iter()
            .map(|lease| lease.envelope.id)
            .collect::<HashSet<_>>()
            .len(),
        10_000
    );
}

#[test]
fn debug_output_has_no_password() {
    let redis = Redis::new("rediss://me:s3cret@redis.example:7000/0")
        .key("shop")
        .root_certificates("PEM s3cret");
    let shown = format!("{redis:?}");
    assert!(
        shown.contains("redis.example:7000") && shown.contains("shop") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn what_a_cluster_says_of_itself_has_no_password() {
    let outbox = Redis::new("redis+cluster://me:s3cret@127.0.0.1:1/");
    outbox.open().unwrap();
    let reason = outbox.append(event("a")).await.unwrap_err().reason;
    assert!(
        reason.contains("127.0.0.1:1") && !reason.contains("s3cret"),
        "{reason}"
    );
}

#[test]
fn what_is_no_url_of_a_redis_is_told_without_its_password() {
    let error = Redis::new("http://user:secret@host/").open().unwrap_err();
    assert!(
        error.to_string().contains("host/ is no URL of a Redis"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}
