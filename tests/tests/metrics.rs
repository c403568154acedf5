//! What the feature `metrics` counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::{HttpResponse, get, web};
use mengpaneel_tests::{Visitor, Workshop, settle};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, f64>>>);

struct One(Seen, String);

impl One {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut seen = self.0.0.lock().unwrap();
        let value = seen.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for One {
    fn increment(&self, by: u64) {
        self.change(|value| value + f64::from(u32::try_from(by).unwrap()));
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for One {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl Seen {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        Arc::new(One(self.clone(), format!("{}{}", key.name(), labels.concat())))
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
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
async fn what_is_recorded_flushed_delivered_retried_and_dropped_is_counted() {
    let seen = Seen::default();
    metrics::set_global_recorder(seen.clone()).map_err(|_| "there is one").unwrap();
    let workshop = Workshop::build(routes, |builder| builder.before_send(|message| message.body["event"] != "Secret"));
    workshop.stand_in.fail_next(1, 503);
    Visitor::machine(&workshop.url).get("/two").await_page().await;
    settle(&workshop.mengpaneel, &workshop.stand_in).await;
    workshop.mengpaneel.shutdown(mengpaneel_tests::DEADLINE).await.unwrap();
    let mut counted = seen.0.lock().unwrap().clone();
    let age = counted.remove("mengpaneel_queue_oldest_age_seconds");
    assert_eq!(age, Some(0.0), "none waits");
    assert_eq!(
        json!(counted),
        json!({
            "mengpaneel_recorded_total": 3.0,
            "mengpaneel_flushed_total strategy=async_server_side": 3.0,
            "mengpaneel_delivered_total": 1.0,
            "mengpaneel_retried_total": 1.0,
            "mengpaneel_dropped_total reason=before_send": 1.0,
            // Nobody is identified: there is no profile.
            "mengpaneel_dropped_total reason=untranslatable": 1.0,
            "mengpaneel_queue_depth": 0.0,
        })
    );
}
