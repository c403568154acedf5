//! Time, CPU and memory of one library.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::SinkClient;

/// A measurement in progress.
pub struct Measurement {
    library: &'static str,
    started: Instant,
    cpu_before: Duration,
    enqueue_time: Option<Duration>,
}

impl Measurement {
    /// Starts the clocks.
    pub fn start(library: &'static str) -> Self {
        Self {
            library,
            started: Instant::now(),
            cpu_before: cpu_time(),
            enqueue_time: None,
        }
    }

    /// Marks the moment when the last event was passed to the library.
    pub fn mark_enqueued(&mut self) {
        self.enqueue_time = Some(self.started.elapsed());
    }

    /// Stops the clocks, after the last event was delivered, and prints a row of the table.
    pub fn finish(self, sink: &SinkClient, events: usize) {
        let (elapsed, cpu) = (self.started.elapsed(), cpu_time() - self.cpu_before);
        let micros_each = |total: Duration| total.as_secs_f64() * 1e6 / events as f64;
        let enqueue = self.enqueue_time.map_or("-".to_owned(), |time| {
            format!("{:.2} µs", micros_each(time))
        });
        let received = sink.take_count();
        println!(
            "| {} | {enqueue} | {:.0} | {:.2} µs | {} MiB | {received} |",
            self.library,
            events as f64 / elapsed.as_secs_f64(),
            micros_each(cpu),
            peak_memory_kib() / 1024,
        );
    }
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a time that is not negative")
}

/// Largest resident memory of this process so far.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok())
        .expect("VmHWM in /proc/self/status")
}
