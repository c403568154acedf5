use super::*;
use crate::outbox::conformance::fixtures::{event, events, record};

#[tokio::test]
async fn records_are_leased_in_append_order() {
    let outbox = Memory::default();
    for event in ["a", "b", "c"] {
        outbox.append(record(event)).await.unwrap();
    }
    assert_eq!(events(&outbox.lease(2).await.unwrap()), ["a", "b"]);
    assert_eq!(events(&outbox.lease(2).await.unwrap()), ["c"]);
    assert_eq!(outbox.pending().await, Ok(3));
}

#[tokio::test]
async fn full_outbox_returns_the_record() {
    let outbox = Memory::default().max_records(1);
    outbox.append(record("a")).await.unwrap();
    let lease = outbox.lease(1).await.unwrap();
    let error = outbox.append(record("b")).await.unwrap_err();
    assert_eq!(event(&error.record).as_deref(), Some("b"));
    outbox.acknowledge(&lease).await.unwrap();
    outbox.append(record("b")).await.unwrap();

    let small = Memory::default().max_bytes(100);
    assert!(small.append(record("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn retry_is_due_after_its_delay() {
    let outbox = Memory::default();
    outbox.append(record("a")).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox
        .retry_later(&leases, Duration::from_secs(5))
        .await
        .unwrap();
    let before = Instant::now();
    assert_eq!(events(&outbox.lease(1).await.unwrap()), ["a"]);
    assert!(before.elapsed() >= Duration::from_secs(5));
}

#[tokio::test]
async fn retries_are_leased_before_newer_records() {
    let outbox = Memory::default();
    for event in ["a", "b", "c"] {
        outbox.append(record(event)).await.unwrap();
    }
    let leases = outbox.lease(2).await.unwrap();
    outbox.retry_later(&leases, Duration::ZERO).await.unwrap();
    assert_eq!(events(&outbox.lease(3).await.unwrap()), ["a", "b", "c"]);
}

#[tokio::test]
async fn append_after_a_refused_one_wakes_the_lease() {
    let outbox = Memory::default().max_bytes(1_000);
    let (leases, ()) = tokio::join!(outbox.lease(1), async {
        assert!(outbox.append(record(&"a".repeat(1_000))).await.is_err());
        outbox.append(record("b")).await.unwrap();
    });
    assert_eq!(events(&leases.unwrap()), ["b"]);
}

#[tokio::test]
async fn every_waiting_lease_wakes_while_records_remain() {
    let outbox = Memory::default();
    let append = async {
        for event in ["a", "b", "c"] {
            outbox.append(record(event)).await.unwrap();
        }
    };
    let (one, two, three, ()) =
        tokio::join!(outbox.lease(1), outbox.lease(1), outbox.lease(1), append);
    let mut leased: Vec<_> = [one, two, three]
        .map(|leases| events(&leases.unwrap()).concat())
        .to_vec();
    leased.sort_unstable();
    assert_eq!(leased, ["a", "b", "c"]);
}

#[tokio::test]
async fn conformance_suite_passes() {
    crate::outbox::conformance::check(Memory::default).await;
}

#[tokio::test]
async fn ten_thousand_retries_due_at_once_are_leased() {
    let outbox = Memory::default();
    for batch in 0..10 {
        let appends = (0..1_000).map(|index| outbox.append(record(&format!("{batch} {index}"))));
        assert!(
            futures_util::future::join_all(appends)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    let leases = outbox.lease(10_000).await.unwrap();
    outbox
        .retry_later(&leases, Duration::from_millis(1))
        .await
        .unwrap();
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 10_000 {
        let leases = outbox.lease(10_000).await.unwrap();
        assert!(
            leases.iter().all(|lease| seen.insert(lease.record.id())),
            "a record was leased twice"
        );
        outbox.acknowledge(&leases).await.unwrap();
    }
    assert_eq!(outbox.pending().await, Ok(0));
}
