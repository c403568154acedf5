//! Stats: what the feature `metrics` counts, through the `metrics` crate. Without it, nothing.
//!
//! The names stand in the guide's page on operation.

/// Calls were recorded.
pub(crate) fn recorded(calls: usize) {
    count("mengpaneel_recorded_total", None, calls);
}

/// Calls left by a strategy.
pub(crate) fn flushed(strategy: &'static str, calls: usize) {
    count(
        "mengpaneel_flushed_total",
        Some(("strategy", strategy)),
        calls,
    );
}

/// A strategy declined a set of calls. The label is one of a few.
pub(crate) fn declined(strategy: &'static str, reason: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("mengpaneel_declined_total", "strategy" => strategy, "reason" => reason)
        .increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (strategy, reason);
}

/// Mixpanel has messages.
pub(crate) fn delivered(messages: usize) {
    count("mengpaneel_delivered_total", None, messages);
}

/// Messages are sent again later.
pub(crate) fn retried(messages: usize) {
    count("mengpaneel_retried_total", None, messages);
}

/// Messages or calls will not be sent, or not again.
pub(crate) fn dropped(reason: &'static str, count_of_them: usize) {
    count(
        "mengpaneel_dropped_total",
        Some(("reason", reason)),
        count_of_them,
    );
}

/// Mixpanel answered for a record that was made at this time, in milliseconds since 1970.
#[cfg(feature = "metrics")]
pub(crate) fn answered(recorded_ms: Option<u64>) {
    if let Some(recorded) = recorded_ms {
        let latency =
            std::time::Duration::from_millis(crate::id::now_ms().saturating_sub(recorded));
        metrics::histogram!("mengpaneel_delivery_latency_seconds").record(latency.as_secs_f64());
    }
}

/// One HTTP request to Mixpanel took this time, answered or not.
#[cfg(feature = "metrics")]
pub(crate) fn requested(endpoint: &'static str, took: std::time::Duration) {
    metrics::histogram!("mengpaneel_request_duration_seconds", "endpoint" => endpoint)
        .record(took.as_secs_f64());
}

/// Tells the recorder that is installed by now what each metric is.
#[cfg(feature = "metrics")]
pub(crate) fn describe() {
    use metrics::Unit::{Count, Seconds};
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("mengpaneel_recorded_total", Count, "Calls recorded");
    describe_counter!(
        "mengpaneel_flushed_total",
        Count,
        "Calls that left, by strategy"
    );
    describe_counter!(
        "mengpaneel_declined_total",
        Count,
        "Sets of calls that a strategy declined, by strategy and reason"
    );
    describe_counter!(
        "mengpaneel_delivered_total",
        Count,
        "Messages that the server sent and Mixpanel took"
    );
    describe_counter!(
        "mengpaneel_retried_total",
        Count,
        "Messages to be sent again, counted at each failed attempt"
    );
    describe_counter!(
        "mengpaneel_dropped_total",
        Count,
        "Calls and messages that are not sent, or not again, by reason"
    );
    describe_histogram!(
        "mengpaneel_delivery_latency_seconds",
        Seconds,
        "Time from recording a request's calls until Mixpanel answered for them"
    );
    describe_histogram!(
        "mengpaneel_request_duration_seconds",
        Seconds,
        "Duration of one HTTP request to Mixpanel, by endpoint"
    );
    describe_gauge!(
        "mengpaneel_queue_depth",
        Count,
        "Records that wait in the outbox"
    );
    describe_gauge!(
        "mengpaneel_queue_oldest_age_seconds",
        Seconds,
        "Age of the oldest record that was tried and waits; 0 while all is delivered"
    );
}

/// Sets the number of records that wait, and the age of the oldest.
#[cfg(feature = "metrics")]
pub(crate) fn queue(waiting: usize, oldest: std::time::Duration) {
    metrics::gauge!("mengpaneel_queue_depth")
        .set(u32::try_from(waiting).map_or(f64::INFINITY, f64::from));
    metrics::gauge!("mengpaneel_queue_oldest_age_seconds").set(oldest.as_secs_f64());
}

#[cfg(feature = "metrics")]
fn count(name: &'static str, label: Option<(&'static str, &'static str)>, by: usize) {
    if by == 0 {
        return;
    }
    let by = u64::try_from(by).unwrap_or(u64::MAX);
    match label {
        Some((key, value)) => metrics::counter!(name, key => value).increment(by),
        None => metrics::counter!(name).increment(by),
    }
}

#[cfg(not(feature = "metrics"))]
fn count(_: &'static str, _: Option<(&'static str, &'static str)>, _: usize) {}
