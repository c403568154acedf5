//! What a test's own thread writes in the log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// The log of one thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Writes it until the guard is dropped.
    pub(crate) fn listen(&self) -> DefaultGuard {
        let log = self.clone();
        let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("mengpaneel=debug")).with_ansi(false);
        tracing::subscriber::set_default(builder.with_writer(move || log.clone()).finish())
    }

    /// The entries of that level.
    pub(crate) fn lines(&self, level: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let mut entries: Vec<String> = Vec::new();
        for line in text.lines() {
            match entries.last_mut() {
                // What follows on further lines is the same entry.
                Some(entry) if line.starts_with(' ') => entry.push_str(line),
                _ => entries.push(line.to_owned()),
            }
        }
        entries.retain(|entry| entry.split_whitespace().any(|word| word == level));
        entries
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
