use serde_json::{Value, json};

use super::*;
use crate::outbox::redis::test_server::TestRedis as Running;
use crate::record::visitor::Visitor;

fn parcel(calls: Value) -> Envelope {
    Envelope::new(Visitor::default(), serde_json::from_value(calls).unwrap())
}

fn event() -> Envelope {
    parcel(json!({"tracking": [[["track"], ["Basic", {"a": 1}]]]}))
}

fn link(redis: &Running) -> RedisConnection {
    RedisConnection::new(
        RedisAddr::parse(&redis.url(), QUERY_TIMEOUT, None).unwrap(),
        QUERY_TIMEOUT,
    )
}

async fn run(link: &RedisConnection, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let _: redis::Value = link.query(&command).await.unwrap();
}

#[tokio::test]
async fn a_job_stands_in_the_queue_and_the_queue_is_known() {
    let redis = Running::start(&[]);
    let sidekiq = Sidekiq::new(redis.url()).queue("analytics");
    sidekiq.open().unwrap();
    let calls = json!({"tracking": [[["track"], ["Basic", {"a": 1}]]]});
    sidekiq.append(parcel(calls.clone())).await.unwrap();
    let link = link(&redis);
    let queues: Vec<String> = link
        .query(redis::cmd("SMEMBERS").arg("queues"))
        .await
        .unwrap();
    assert_eq!(queues, ["analytics"]);
    let job: String = link
        .query(redis::cmd("RPOP").arg("queue:analytics"))
        .await
        .unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(job["args"], json!([calls, null]));
    assert_eq!(
        job["class"],
        "Mengpaneel::Strategy::AsyncServerSide::Worker"
    );
    let commands: String = link
        .query(redis::cmd("INFO").arg("commandstats"))
        .await
        .unwrap();
    assert!(
        commands.contains("cmdstat_multi:calls=1,"),
        "both in one transaction: {commands}"
    );
}

#[tokio::test]
async fn each_error_names_the_redis_without_its_password() {
    let address = "127.0.0.1:1";
    let at = |scheme: &str| Sidekiq::new(format!("{scheme}://me:s3cret@{address}/"));
    let sidekiq = at("redis");
    let unopened = sidekiq.append(event()).await.unwrap_err().reason;
    sidekiq.open().unwrap();
    for text in [
        unopened,
        sidekiq.description(),
        sidekiq.append(event()).await.unwrap_err().reason,
        at("redis+cluster").open().unwrap_err().to_string(),
        at("redis").queue("").open().unwrap_err().to_string(),
    ] {
        assert!(text.contains(address) && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn a_fleet_with_a_namespace_finds_its_jobs() {
    let redis = Running::start(&[]);
    let sidekiq = Sidekiq::new(redis.url()).namespace("app");
    sidekiq.open().unwrap();
    sidekiq.append(event()).await.unwrap();
    let link = link(&redis);
    let mut keys: Vec<String> = link.query(redis::cmd("KEYS").arg("*")).await.unwrap();
    keys.sort();
    assert_eq!(keys, ["app:queue:default", "app:queues"]);
    let queues: Vec<String> = link
        .query(redis::cmd("SMEMBERS").arg("app:queues"))
        .await
        .unwrap();
    assert_eq!(queues, ["default"], "its name has no namespace");
}

#[tokio::test]
async fn what_the_gem_cannot_do_comes_back_and_so_does_everything_while_redis_is_away() {
    let mut redis = Running::start(&[]);
    let sidekiq = Sidekiq::new(redis.url());
    sidekiq.open().unwrap();
    let declined = sidekiq
        .append(parcel(json!({"tracking": [[["reset"], []]]})))
        .await
        .unwrap_err();
    assert!(declined.reason.contains("reset"), "{}", declined.reason);
    redis.kill();
    let declined = sidekiq.append(event()).await.unwrap_err();
    assert!(declined.reason.contains("Redis"), "{}", declined.reason);
}

/// Until a rest after a refusal is over.
async fn append(sidekiq: &Sidekiq) {
    while sidekiq.append(event()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_redis_that_refuses_jobs_is_asked_once_in_a_while() {
    let redis = Running::start(&[]);
    let sidekiq = Sidekiq::new(redis.url());
    sidekiq.open().unwrap();
    let link = link(&redis);
    for (refuse, allow, code) in [
        (
            &["CONFIG", "SET", "maxmemory", "1"][..],
            &["CONFIG", "SET", "maxmemory", "0"][..],
            "OOM",
        ),
        (
            &["ACL", "SETUSER", "default", "-lpush"],
            &["ACL", "SETUSER", "default", "+lpush"],
            "permissions",
        ),
        (
            &["SET", "queue:default", "x"],
            &["DEL", "queue:default"],
            "WRONGTYPE",
        ),
        (
            &["CONFIG", "SET", "min-replicas-to-write", "1"],
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
            "NOREPLICAS",
        ),
        (
            &["REPLICAOF", "127.0.0.1", "1"],
            &["REPLICAOF", "NO", "ONE"],
            "read",
        ),
    ] {
        append(&sidekiq).await;
        run(&link, &["DEL", "queue:default"]).await;
        run(&link, refuse).await;
        run(&link, &["CONFIG", "RESETSTAT"]).await;
        for _ in 0..20 {
            let declined = sidekiq.append(event()).await.unwrap_err();
            let is_told =
                declined.reason.contains(code) || declined.reason.contains(&code.to_lowercase());
            assert!(is_told, "{code}: {}", declined.reason);
        }
        let commands: String = link
            .query(redis::cmd("INFO").arg("commandstats"))
            .await
            .unwrap();
        let asked = commands
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_exec:calls="));
        let asked = asked
            .and_then(|rest| rest.split(',').next()?.parse::<u32>().ok())
            .unwrap_or_default();
        assert!(asked <= 4, "{code}: {commands}");
        run(&link, allow).await;
        append(&sidekiq).await;
        let jobs: u32 = link
            .query(redis::cmd("LLEN").arg("queue:default"))
            .await
            .unwrap();
        assert_eq!(jobs, 1, "{code}: what was declined is not there");
    }
}

#[tokio::test]
async fn a_job_whose_queue_could_not_be_named_is_not_handed_back() {
    let redis = Running::start(&[]);
    let sidekiq = Sidekiq::new(redis.url());
    sidekiq.open().unwrap();
    let link = link(&redis);
    run(&link, &["SET", "queues", "x"]).await;
    sidekiq.append(event()).await.unwrap();
    let jobs: u32 = link
        .query(redis::cmd("LLEN").arg("queue:default"))
        .await
        .unwrap();
    assert_eq!(jobs, 1);
}

#[test]
fn a_queue_that_cannot_be_is_refused_when_it_is_opened() {
    let cluster = Sidekiq::new("redis+cluster://127.0.0.1/")
        .open()
        .unwrap_err();
    assert!(cluster.to_string().contains("Cluster"), "{cluster}");
    assert!(Sidekiq::new("redis://127.0.0.1/").queue("").open().is_err());
    let builder =
        crate::mengpaneel::Mengpaneel::builder("token").outbox(Sidekiq::new("redis://127.0.0.1/"));
    let error = builder.before_send(|_| true).build().unwrap_err();
    assert!(error.to_string().contains("before_send"), "{error}");
}

#[test]
fn debug_output_has_no_password() {
    let sidekiq = Sidekiq::new("redis://me:s3cret@redis.example:7000/0").namespace("app");
    let shown = format!("{sidekiq:?}");
    assert!(
        shown.contains("redis.example:7000") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_told_with_the_server_and_no_secret() {
    let redis = Running::start(&["--requirepass", "s3cret"]);
    for url in [
        redis.url(),
        redis.url().replace("redis://", "redis://:wr0ng@"),
    ] {
        let outboxes: [Box<dyn Outbox>; 2] = [
            Box::new(Sidekiq::new(&*url)),
            Box::new(crate::outbox::Redis::new(&*url)),
        ];
        for outbox in outboxes {
            outbox.open().unwrap();
            let reason = outbox.append(event()).await.unwrap_err().reason;
            assert!(
                reason.contains(&format!("127.0.0.1:{}", redis.port())),
                "{reason}"
            );
            assert!(
                !reason.contains("s3cret") && !reason.contains("wr0ng"),
                "{reason}"
            );
        }
    }
    let known = Sidekiq::new(redis.url().replace("redis://", "redis://:s3cret@"));
    known.open().unwrap();
    known.append(event()).await.unwrap();
}
