//! Outages, failovers and lost responses.

use super::*;
use crate::call::{Call, Calls, Method};
use crate::outbox::Record;
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;

/// Creates a record of a call that counts twice if it is delivered twice.
fn increment(property: &str) -> Record {
    let call = Call::new(Method::PeopleIncrement, vec![serde_json::json!(property)]);
    let calls = Calls {
        tracking: vec![call],
        ..Calls::default()
    };
    Record::new(&Envelope::new(Visitor::default(), calls))
}

#[tokio::test]
async fn append_fails_during_outage_and_works_after_it() {
    let mut server = TestRedis::start(&[]);
    let outbox = open(&server.url());
    append(&outbox, "a").await;
    server.kill();
    let error = outbox.append(record("b")).await.unwrap_err();
    assert!(error.reason.contains("Redis"), "{}", error.reason);
    server.restart();
    append(&outbox, "c").await;
    assert_eq!(events(&lease_all(&outbox, 2).await), ["a", "c"]);
}

/// Starts a proxy in front of several servers and returns its URL. New connections reach the server
/// at port `target`; open ones stay where they are.
async fn start_proxy(target: Arc<AtomicU16>) -> String {
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

/// Makes `replica` replicate `primary`, and waits until it is connected.
async fn replicate(replica: &TestRedis, primary: &TestRedis) {
    let node = connect(replica);
    node.query::<()>(cmd("REPLICAOF").arg("127.0.0.1").arg(primary.port()))
        .await
        .unwrap();
    let is_connected = async || {
        let info: String = node.query(cmd("INFO").arg("replication")).await.unwrap();
        info.contains("master_link_status:up")
    };
    while !is_connected().await {
        tokio::task::yield_now().await;
    }
}

async fn promote(server: &TestRedis) {
    let node = connect(server);
    node.query::<()>(cmd("REPLICAOF").arg("NO").arg("ONE"))
        .await
        .unwrap();
}

#[tokio::test]
async fn failover_behind_one_address_is_followed() {
    let (old, new) = (TestRedis::start(&[]), TestRedis::start(&[]));
    replicate(&new, &old).await;
    let target = Arc::new(AtomicU16::new(old.port()));
    let outbox = open(&start_proxy(Arc::clone(&target)).await);
    append(&outbox, "before").await;
    assert_eq!(events(&lease_all(&outbox, 1).await), ["before"]);
    append(&outbox, "pending").await;
    // `WAIT` would wait for the writes of its own connection only.
    let node = connect(&new);
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
    // The connections of the old primary stay open, as in a managed Redis.
    replicate(&old, &new).await;
    outbox
        .append(record("after"))
        .await
        .expect("the new primary accepts the append");
    let mut remaining = HashSet::from([
        "before".to_owned(),
        "pending".to_owned(),
        "after".to_owned(),
    ]);
    while !remaining.is_empty() {
        for name in events(&outbox.lease(10).await.unwrap()) {
            remaining.remove(&name);
        }
    }
}

#[tokio::test]
async fn without_primary_appends_fail_and_leases_wait() {
    let (primary, replica) = (TestRedis::start(&[]), TestRedis::start(&[]));
    let outbox = open(&replica.url());
    append(&outbox, "a").await;
    replicate(&replica, &primary).await;
    let error = outbox.append(record("b")).await.unwrap_err();
    assert!(
        error.reason.to_lowercase().contains("read"),
        "{}",
        error.reason
    );
    let mut leasing = outbox.lease(10);
    assert!(timeout(Duration::ZERO, &mut leasing).await.is_err());
    for _ in 0..1_000 {
        outbox.append(record("c")).await.unwrap_err();
    }
    assert!(
        timeout(Duration::ZERO, &mut leasing).await.is_err(),
        "the lease waits and does not fail"
    );
    promote(&replica).await;
    append(&outbox, "d").await;
    assert_eq!(
        events(&leasing.await.unwrap()),
        ["d"],
        "replication removed the other records"
    );
}

#[tokio::test]
async fn non_idempotent_record_is_not_declined_while_unknown() {
    let server = TestRedis::start(&[]);
    let outbox = open(&server.url());
    append(&outbox, "a").await;
    // Redis executes the command and responds after the timeout.
    let node = connect(&server);
    node.query::<()>(cmd("CLIENT").arg("PAUSE").arg(2_500).arg("WRITE"))
        .await
        .unwrap();
    let increment = increment("b");
    let (stored, declined) = tokio::join!(outbox.append(increment), outbox.append(record("c")));
    assert!(
        stored.is_ok(),
        "the increment stays until its outcome is known"
    );
    assert!(declined.is_err(), "the event goes to the next strategy");
    let leases = lease_all(&outbox, 2).await;
    let count = |name: &str| {
        events(&leases)
            .iter()
            .filter(|found| *found == name)
            .count()
    };
    assert_eq!((count("a"), count("b")), (1, 1), "{:?}", events(&leases));
}

/// As after a lost response: the first attempt was executed, and the page has sent the calls.
#[tokio::test]
async fn repeated_copy_of_sent_calls_is_not_stored() {
    let server = TestRedis::start(&[]);
    let outbox = open(&server.url());
    let (copy, late) = (record("a"), Duration::from_secs(600));
    outbox.schedule_fallback(copy.clone(), late).await.unwrap();
    outbox.finish_fallback(copy.id(), true).await.unwrap();
    outbox.schedule_fallback(copy, late).await.unwrap();
    let copies: usize = connect(&server)
        .query(cmd("HLEN").arg("{mengpaneel}:copies"))
        .await
        .unwrap();
    assert_eq!(copies, 0);
}

#[tokio::test]
async fn commands_share_one_failed_attempt_to_connect() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connection = RedisConnection::new(&format!("redis://{address}/1"), None).unwrap();
    let queries = (0..5).map(|_| async {
        let ping = cmd("PING");
        connection.query::<()>(&ping).await.unwrap_err();
    });
    let mut attempts = Vec::new();
    let accept = async {
        loop {
            attempts.push(listener.accept().await.unwrap());
        }
    };
    tokio::select! {
        () = accept => {}
        _ = futures_util::future::join_all(queries) => {}
    }
    assert_eq!(attempts.len(), 1);
}
