//! Captured log of one thread.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// Captured log of one thread: messages of level `DEBUG` and above.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures the log of the current thread until the guard is dropped.
    #[must_use]
    pub fn capture(&self) -> DefaultGuard {
        let log = self.clone();
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("mengpaneel=debug"))
            .with_ansi(false);
        tracing::subscriber::set_default(builder.with_writer(move || log.clone()).finish())
    }

    /// Returns the entries of this level.
    ///
    /// # Panics
    /// If the log is not UTF-8.
    #[must_use]
    pub fn entries(&self, level: &str) -> Vec<String> {
        let text =
            String::from_utf8(self.bytes().clone()).unwrap_or_else(|error| panic!("{error}"));
        let mut entries: Vec<String> = Vec::new();
        for line in text.lines() {
            match entries.last_mut() {
                // An indented line continues the entry above it.
                Some(entry) if line.starts_with(' ') => entry.push_str(line),
                _ => entries.push(line.to_owned()),
            }
        }
        entries.retain(|entry| entry.split_whitespace().any(|word| word == level));
        entries
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
