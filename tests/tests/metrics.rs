//! Metrics of the feature `metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use actix_web::{HttpResponse, get, web};
use mengpaneel_tests::{TestApp, TestClient};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use serde_json::json;

#[derive(Clone, Default)]
struct TestRecorder {
    values: Arc<Mutex<BTreeMap<String, f64>>>,
    described: Arc<Mutex<BTreeSet<String>>>,
}

/// One metric with its labels.
struct Metric {
    recorder: TestRecorder,
    key: String,
}

impl Metric {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.recorder.values.lock().unwrap();
        let value = values.entry(self.key.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Metric {
    fn increment(&self, by: u64) {
        self.change(|value| value + f64::from(u32::try_from(by).unwrap()));
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Metric {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

/// Counts the observations, because their values differ from machine to machine.
impl HistogramFn for Metric {
    fn record(&self, seconds: f64) {
        assert!((0.0..3_600.0).contains(&seconds), "{}: {seconds}", self.key);
        self.change(|count| count + 1.0);
    }
}

impl TestRecorder {
    fn describe(&self, name: &KeyName, unit: Option<Unit>, text: &str) {
        assert!(unit.is_some() && !text.is_empty(), "{name:?}");
        self.described
            .lock()
            .unwrap()
            .insert(name.as_str().to_owned());
    }

    fn metric(&self, key: &Key) -> Arc<Metric> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()))
            .collect();
        Arc::new(Metric {
            recorder: self.clone(),
            key: format!("{}{}", key.name(), labels.concat()),
        })
    }
}

impl Recorder for TestRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }
}

#[get("/two")]
async fn two() -> HttpResponse {
    mengpaneel::track("Open", ());
    mengpaneel::track("Secret", ());
    mengpaneel::people().unset("Plan");
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(two);
}

#[tokio::test]
async fn metrics_count_every_stage_of_a_call() {
    let recorder = TestRecorder::default();
    metrics::set_global_recorder(recorder.clone())
        .map_err(|_| "a recorder is installed")
        .unwrap();
    let app = TestApp::build(routes, |builder| {
        builder.before_send(|message| message.body["event"] != "Secret")
    });
    app.stand_in.fail_next(1, 503);
    TestClient::machine(&app.url).get("/two").send().await;
    app.flush_and_collect().await;
    TestClient::machine(&app.url)
        .get("/two")
        .header("user-agent", "Googlebot/2.1")
        .send()
        .await;
    app.mengpaneel
        .shutdown(mengpaneel_tests::TIMEOUT)
        .await
        .unwrap();
    let mut counted = recorder.values.lock().unwrap().clone();
    let described = recorder.described.lock().unwrap().clone();
    for name in counted
        .keys()
        .map(|key| key.split(' ').next().unwrap_or_default())
    {
        assert!(described.contains(name), "{name} is not described");
    }
    let age = counted.remove("mengpaneel_queue_oldest_age_seconds");
    assert_eq!(age, Some(0.0), "the queue is empty");
    assert_eq!(
        json!(counted),
        json!({
            "mengpaneel_recorded_total": 6.0,
            "mengpaneel_declined_total strategy=delayed reason=no_redirect": 2.0,
            "mengpaneel_declined_total strategy=client_side reason=not_a_page": 2.0,
            "mengpaneel_declined_total strategy=capable_client_side reason=not_capable": 2.0,
            "mengpaneel_flushed_total strategy=async_server_side": 6.0,
            "mengpaneel_delivered_total": 1.0,
            "mengpaneel_delivery_latency_seconds": 2.0,
            "mengpaneel_request_duration_seconds endpoint=import": 2.0,
            "mengpaneel_retried_total": 1.0,
            "mengpaneel_dropped_total reason=before_send": 1.0,
            "mengpaneel_dropped_total reason=bot": 2.0,
            // An anonymous visitor has no profile.
            "mengpaneel_dropped_total reason=untranslatable": 2.0,
            "mengpaneel_queue_depth": 0.0,
        })
    );
}
