//! Outboxes from URLs, for programs that are configured by environment variables.

use std::sync::Arc;

use crate::outbox::{Memory, Outbox, OutboxError};

/// Creates the outbox that a URL names: `memory`; `file:PATH` (feature `file`); `redis://…`,
/// `rediss://…` and their `+cluster` forms (feature `redis`); `sidekiq+redis://…` (feature
/// `sidekiq`).
///
/// # Errors
/// The URL names no outbox that this program was built with.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = mengpaneel::outbox::from_url("memory")?;
/// let mengpaneel = mengpaneel::Mengpaneel::builder("token").outbox(outbox).build()?;
/// # let _ = mengpaneel;
/// # Ok(())
/// # }
/// ```
pub fn from_url(url: &str) -> Result<Arc<dyn Outbox>, OutboxError> {
    if url == "memory" {
        return Ok(Arc::new(Memory::default()));
    }
    #[cfg(feature = "file")]
    if let Some(path) = url.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(Arc::new(crate::outbox::File::new(path)));
    }
    #[cfg(feature = "redis")]
    if url.starts_with("redis") && url.contains("://") {
        return Ok(Arc::new(crate::outbox::Redis::new(url)));
    }
    #[cfg(feature = "sidekiq")]
    if let Some(url) = url
        .strip_prefix("sidekiq+")
        .filter(|url| url.starts_with("redis"))
    {
        return Ok(Arc::new(crate::outbox::Sidekiq::new(url)));
    }
    let supported = [
        Some("memory"),
        cfg!(feature = "file").then_some("file:PATH"),
        cfg!(feature = "redis").then_some("redis://HOST"),
        cfg!(feature = "sidekiq").then_some("sidekiq+redis://HOST"),
    ];
    let supported: Vec<_> = supported.into_iter().flatten().collect();
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    Err(OutboxError(format!(
        "{scheme:?} names no outbox that this program supports; supported: {}",
        supported.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_scheme_is_reported_with_alternatives_but_no_secret() {
        let error = from_url("kafka://user:secret@host")
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("\"kafka\" names no outbox") && error.contains("memory"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}
