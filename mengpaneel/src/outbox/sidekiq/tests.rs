use serde_json::{Value, json};

use super::*;
use crate::outbox::redis_server::Server as Running;
use crate::visitor::Visitor;

fn parcel(calls: Value) -> Parcel {
    Parcel::new(Visitor::default(), serde_json::from_value(calls).unwrap())
}

#[tokio::test]
async fn a_job_stands_in_the_queue_and_the_queue_is_known() {
    let redis = Running::start(&[]);
    let sidekiq = Sidekiq::at(redis.url()).queue("analytics");
    sidekiq.open().unwrap();
    let calls = json!({"tracking": [[["track"], ["Basic", {"a": 1}]]]});
    sidekiq.append(parcel(calls.clone())).await.unwrap();
    let link = Link::new(Server::at(&redis.url(), PATIENCE, None).unwrap(), PATIENCE);
    let queues: Vec<String> = link.ask(cmd("SMEMBERS").arg("queues")).await.unwrap();
    assert_eq!(queues, ["analytics"]);
    let job: String = link.ask(cmd("RPOP").arg("queue:analytics")).await.unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(job["args"], json!([calls, null]));
    assert_eq!(job["class"], "Mengpaneel::Strategy::AsyncServerSide::Worker");
}

#[tokio::test]
async fn what_the_gem_cannot_do_comes_back_and_so_does_everything_while_redis_is_away() {
    let mut redis = Running::start(&[]);
    let sidekiq = Sidekiq::at(redis.url());
    sidekiq.open().unwrap();
    let declined = sidekiq.append(parcel(json!({"tracking": [[["reset"], []]]}))).await.unwrap_err();
    assert!(declined.reason.contains("reset"), "{}", declined.reason);
    redis.kill();
    let declined = sidekiq.append(parcel(json!({"tracking": [[["track"], ["A"]]]}))).await.unwrap_err();
    assert!(declined.reason.contains("Redis"), "{}", declined.reason);
}
