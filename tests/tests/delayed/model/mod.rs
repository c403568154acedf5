//! Random sequences of requests, compared with a model of what Mixpanel must count in the end.
//!
//! Each event must be counted once and belong to its user. `PROPTEST_CASES` sets the number of
//! sequences.

mod baseline;
mod run;
mod steps;

use mengpaneel::outbox;
use mengpaneel_tests::{SessionConfig, TestRedis};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use run::Run;

#[test]
fn any_request_sequence_counts_each_users_event_once() {
    let redis = TestRedis::start();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(24);
    let config = Config {
        cases,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sessions = select(vec![
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ]);
    let folder = TempDir::new().unwrap();
    let result = TestRunner::new(config).run(
        &(sessions, any::<bool>(), steps::steps()),
        |(sessions, is_durable, steps)| {
            let checked = runtime.block_on(async {
                let file = folder.path().join(uuid::Uuid::new_v4().to_string());
                let url = if is_durable {
                    format!("file:{}", file.display())
                } else {
                    "memory".to_owned()
                };
                let mut run = Run::new(&sessions, outbox::from_url(&url).unwrap());
                for (number, step) in steps.into_iter().enumerate() {
                    run.step(number, step).await;
                }
                run.check().await
            });
            checked.map_err(TestCaseError::fail)
        },
    );
    result.unwrap_or_else(|error| panic!("{error}"));
}
