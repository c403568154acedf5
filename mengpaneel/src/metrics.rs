//! Metrics of the feature `metrics`, recorded through the `metrics` crate. Without the feature,
//! nothing is recorded.
//!
//! The guide's page on operation lists the names.

/// Counts recorded calls.
pub(crate) fn count_recorded(calls: usize) {
    count("mengpaneel_recorded_total", None, calls);
}

/// Counts calls that a strategy accepted.
pub(crate) fn count_flushed(strategy: &'static str, calls: usize) {
    count(
        "mengpaneel_flushed_total",
        Some(("strategy", strategy)),
        calls,
    );
}

/// Counts a set of calls that a strategy declined. `reason` is one of a few fixed labels.
pub(crate) fn count_declined(strategy: &'static str, reason: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("mengpaneel_declined_total", "strategy" => strategy, "reason" => reason)
        .increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (strategy, reason);
}

/// Counts messages that Mixpanel accepted.
pub(crate) fn count_delivered(messages: usize) {
    count("mengpaneel_delivered_total", None, messages);
}

/// Counts messages that will be sent again.
#[cfg(feature = "metrics")]
pub(crate) fn count_retried(messages: usize) {
    count("mengpaneel_retried_total", None, messages);
}

/// Counts messages or calls that will not be sent, or not again.
pub(crate) fn count_dropped(reason: &'static str, amount: usize) {
    count("mengpaneel_dropped_total", Some(("reason", reason)), amount);
}

/// Records the time from recording until Mixpanel answered. `recorded_at_ms` is in milliseconds
/// since 1970; `None` records nothing.
#[cfg(feature = "metrics")]
pub(crate) fn record_delivery_latency(recorded_at_ms: Option<u64>) {
    if let Some(recorded_at_ms) = recorded_at_ms {
        let latency =
            std::time::Duration::from_millis(crate::id::now_ms().saturating_sub(recorded_at_ms));
        metrics::histogram!("mengpaneel_delivery_latency_seconds").record(latency.as_secs_f64());
    }
}

/// Records the duration of one HTTP request to Mixpanel, answered or not.
#[cfg(feature = "metrics")]
pub(crate) fn record_request_duration(endpoint: &'static str, duration: std::time::Duration) {
    metrics::histogram!("mengpaneel_request_duration_seconds", "endpoint" => endpoint)
        .record(duration.as_secs_f64());
}

/// Describes each metric to the recorder that is installed by now.
#[cfg(feature = "metrics")]
pub(crate) fn describe() {
    use metrics::Unit::{Count, Seconds};
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("mengpaneel_recorded_total", Count, "Calls recorded");
    describe_counter!(
        "mengpaneel_flushed_total",
        Count,
        "Calls flushed, by strategy"
    );
    describe_counter!(
        "mengpaneel_declined_total",
        Count,
        "Sets of calls that a strategy declined, by strategy and reason"
    );
    describe_counter!(
        "mengpaneel_delivered_total",
        Count,
        "Messages that the server sent and Mixpanel accepted"
    );
    describe_counter!(
        "mengpaneel_retried_total",
        Count,
        "Messages to be retried, counted at each failed attempt"
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
        "Records pending in the outbox"
    );
    describe_gauge!(
        "mengpaneel_queue_oldest_age_seconds",
        Seconds,
        "Age of the oldest record that failed and is pending; 0 if there is none"
    );
}

/// Sets the number of pending records, and the age of the oldest that failed.
#[cfg(feature = "metrics")]
pub(crate) fn set_pending(pending: usize, oldest_age: std::time::Duration) {
    metrics::gauge!("mengpaneel_queue_depth")
        .set(u32::try_from(pending).map_or(f64::INFINITY, f64::from));
    metrics::gauge!("mengpaneel_queue_oldest_age_seconds").set(oldest_age.as_secs_f64());
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
