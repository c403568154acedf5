//! Stats: what the feature `metrics` counts, through the `metrics` crate. Without it, nothing.
//!
//! The names stand in the guide's page on operation.

/// Calls were recorded.
pub fn recorded(calls: usize) {
    count("mengpaneel_recorded_total", None, calls);
}

/// Calls left by a strategy.
pub fn flushed(strategy: &'static str, calls: usize) {
    count("mengpaneel_flushed_total", Some(("strategy", strategy)), calls);
}

/// Mixpanel has messages.
pub fn delivered(messages: usize) {
    count("mengpaneel_delivered_total", None, messages);
}

/// Messages are sent again later.
pub fn retried(messages: usize) {
    count("mengpaneel_retried_total", None, messages);
}

/// Messages or calls will not be sent, or not again.
pub fn dropped(reason: &'static str, count_of_them: usize) {
    count("mengpaneel_dropped_total", Some(("reason", reason)), count_of_them);
}

/// How many records wait, and for how long the oldest has.
#[cfg(feature = "metrics")]
pub fn queue(waiting: usize, oldest: std::time::Duration) {
    metrics::gauge!("mengpaneel_queue_depth").set(u32::try_from(waiting).map_or(f64::INFINITY, f64::from));
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
