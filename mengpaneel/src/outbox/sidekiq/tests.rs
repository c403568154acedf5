use serde_json::{Value, json};

use super::*;
use crate::outbox::redis::test_server::TestRedis;
use crate::record::visitor::Visitor;

fn record(calls: Value) -> Record {
    let calls = serde_json::from_value(calls).unwrap();
    Record::new(&Envelope::new(Visitor::default(), calls))
}

fn event() -> Record {
    record(json!({"tracking": [[["track"], ["Basic", {"a": 1}]]]}))
}

fn connect(redis: &TestRedis) -> RedisConnection {
    RedisConnection::new(&redis.url(), None).unwrap()
}

async fn run(connection: &RedisConnection, command: &[&str]) {
    let [name, args @ ..] = command else {
        panic!("the command is empty");
    };
    let mut command = redis::cmd(name);
    command.arg(args);
    let _: redis::Value = connection.query(&command).await.unwrap();
}

#[tokio::test]
async fn append_pushes_job_and_adds_queue_name() {
    let redis = TestRedis::start(&[]);
    let sidekiq = Sidekiq::new(redis.url()).queue("analytics");
    sidekiq.open().unwrap();
    let calls = json!({"tracking": [[["track"], ["Basic", {"a": 1}]]]});
    sidekiq.append(record(calls.clone())).await.unwrap();
    let connection = connect(&redis);
    let queues: Vec<String> = connection
        .query(redis::cmd("SMEMBERS").arg("queues"))
        .await
        .unwrap();
    assert_eq!(queues, ["analytics"]);
    let job: String = connection
        .query(redis::cmd("RPOP").arg("queue:analytics"))
        .await
        .unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(job["args"], json!([calls, null]));
    assert_eq!(
        job["class"],
        "Mengpaneel::Strategy::AsyncServerSide::Worker"
    );
    let commands: String = connection
        .query(redis::cmd("INFO").arg("commandstats"))
        .await
        .unwrap();
    assert!(
        commands.contains("cmdstat_multi:calls=1,"),
        "both in one transaction: {commands}"
    );
}

#[tokio::test]
async fn errors_name_server_without_password() {
    let address = "127.0.0.1:1";
    let outbox = |scheme: &str| Sidekiq::new(format!("{scheme}://me:s3cret@{address}/"));
    let sidekiq = outbox("redis");
    let unopened = sidekiq.append(event()).await.unwrap_err().reason;
    sidekiq.open().unwrap();
    for text in [
        unopened,
        sidekiq.description(),
        sidekiq.append(event()).await.unwrap_err().reason,
        outbox("redis+cluster").open().unwrap_err().to_string(),
        outbox("redis").queue("").open().unwrap_err().to_string(),
    ] {
        assert!(text.contains(address) && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn namespace_prefixes_keys() {
    let redis = TestRedis::start(&[]);
    let sidekiq = Sidekiq::new(redis.url()).namespace("app");
    sidekiq.open().unwrap();
    sidekiq.append(event()).await.unwrap();
    let connection = connect(&redis);
    let mut keys: Vec<String> = connection.query(redis::cmd("KEYS").arg("*")).await.unwrap();
    keys.sort();
    assert_eq!(keys, ["app:queue:default", "app:queues"]);
    let queues: Vec<String> = connection
        .query(redis::cmd("SMEMBERS").arg("app:queues"))
        .await
        .unwrap();
    assert_eq!(
        queues,
        ["default"],
        "the name of the queue has no namespace"
    );
}

#[tokio::test]
async fn unsupported_calls_and_outages_are_declined() {
    let mut redis = TestRedis::start(&[]);
    let sidekiq = Sidekiq::new(redis.url());
    sidekiq.open().unwrap();
    let error = sidekiq
        .append(record(json!({"tracking": [[["reset"], []]]})))
        .await
        .unwrap_err();
    assert!(error.reason.contains("reset"), "{}", error.reason);
    redis.kill();
    let error = sidekiq.append(event()).await.unwrap_err();
    assert!(error.reason.contains("Redis"), "{}", error.reason);
}

/// Appends until an event is accepted: after a refusal, Redis is not tried again at once.
async fn append(sidekiq: &Sidekiq) {
    while sidekiq.append(event()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn refusing_redis_is_tried_once_in_a_while() {
    let redis = TestRedis::start(&[]);
    let sidekiq = Sidekiq::new(redis.url());
    sidekiq.open().unwrap();
    let connection = connect(&redis);
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
        run(&connection, &["DEL", "queue:default"]).await;
        run(&connection, refuse).await;
        run(&connection, &["CONFIG", "RESETSTAT"]).await;
        for _ in 0..20 {
            let reason = sidekiq.append(event()).await.unwrap_err().reason;
            let has_code = reason.contains(code) || reason.contains(&code.to_lowercase());
            assert!(has_code, "{code}: {reason}");
        }
        let commands: String = connection
            .query(redis::cmd("INFO").arg("commandstats"))
            .await
            .unwrap();
        let transactions = commands
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_exec:calls="));
        let transactions = transactions
            .and_then(|rest| rest.split(',').next()?.parse::<u32>().ok())
            .unwrap_or_default();
        assert!(transactions <= 4, "{code}: {commands}");
        run(&connection, allow).await;
        append(&sidekiq).await;
        let jobs: u32 = connection
            .query(redis::cmd("LLEN").arg("queue:default"))
            .await
            .unwrap();
        assert_eq!(jobs, 1, "{code}: declined jobs are not in the queue");
    }
}

#[tokio::test]
async fn pushed_job_is_not_declined_without_queue_name() {
    let redis = TestRedis::start(&[]);
    let sidekiq = Sidekiq::new(redis.url());
    sidekiq.open().unwrap();
    let connection = connect(&redis);
    run(&connection, &["SET", "queues", "x"]).await;
    sidekiq.append(event()).await.unwrap();
    let jobs: u32 = connection
        .query(redis::cmd("LLEN").arg("queue:default"))
        .await
        .unwrap();
    assert_eq!(jobs, 1);
}

#[test]
fn open_rejects_invalid_queues() {
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
async fn wrong_password_error_names_server_without_secret() {
    let redis = TestRedis::start(&["--requirepass", "s3cret"]);
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
    let authenticated = Sidekiq::new(redis.url().replace("redis://", "redis://:s3cret@"));
    authenticated.open().unwrap();
    authenticated.append(event()).await.unwrap();
}
