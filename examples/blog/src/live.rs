//! Forwards the delivery strategy of each set of calls to the live page. `mengpaneel` reports the
//! strategies in `tracing` events.

use std::fmt::Debug;
use std::io::IsTerminal;

use stand_in::{Note, Store};
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// Target of the `tracing` events that report strategies.
const TARGET: &str = "mengpaneel::flush";

/// Creates the dispatcher of the blog's threads. It forwards events to the live page's store and to
/// the log.
pub(crate) fn dispatch(store: Store) -> Dispatch {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_filter(filter);
    Dispatch::new(Registry::default().with(LiveLayer(store)).with(log))
}

/// Layer that records which strategy accepted the calls and which strategies declined them.
struct LiveLayer(Store);

impl<S: Subscriber> Layer<S> for LiveLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        match fields.message.as_str() {
            "declined" => fields.note.declined = Some(fields.reason),
            "flushed" => {}
            _ => return,
        }
        self.0.note(fields.note);
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    reason: String,
    note: Note,
}

impl Fields {
    fn set(&mut self, name: &str, value: String) {
        match name {
            "message" => self.message = value,
            "reason" => self.reason = value,
            "strategy" => self.note.strategy = value,
            "method" => self.note.method = value,
            "path" => self.note.path = value,
            "calls" => self.note.calls = value.parse().unwrap_or_default(),
            "events" => {
                self.note.events = value
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
            _ => {}
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.to_owned());
    }

    /// Also called for numbers and for values recorded with `%`.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategy_events_become_notes() {
        let store = Store::default();
        tracing::dispatcher::with_default(&dispatch(store.clone()), || {
            tracing::debug!(target: "mengpaneel::flush", strategy = "delayed", reason = %"no redirect", "declined");
            let calls = 3_usize;
            tracing::debug!(
                target: "mengpaneel::flush",
                strategy = %"client_side", method = "GET", path = "/", calls, events = "Sign Up, View Home", "flushed"
            );
            tracing::debug!(target: "mengpaneel::flush", "anything else");
            tracing::info!("flushed");
        });
        let declined = Note {
            strategy: "delayed".into(),
            declined: Some("no redirect".into()),
            ..Note::default()
        };
        let flushed = Note {
            method: "GET".into(),
            path: "/".into(),
            strategy: "client_side".into(),
            declined: None,
            calls: 3,
            events: vec!["Sign Up".into(), "View Home".into()],
        };
        assert_eq!(store.notes(), [declined, flushed]);
    }
}
