//! A crate that depends on mengpaneel under another name: the attributes find it, or are told.
#![deny(warnings)]

pub mod analytics {
    //! What an application may re-export for its own crates.

    pub use analytics_lib as everything;
}

/// Two attributes that find the dependency under the name that `Cargo.toml` gives it.
#[analytics_lib::track("Found", n = n)]
#[analytics_lib::setup(identify(n))]
pub fn found(n: u32) {}

/// An attribute that is told where it is.
#[analytics::everything::track("Told", when(let Some(n) = n && n > 1), n = n, crate(crate::analytics::everything))]
pub fn told(n: Option<u32>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_work_under_another_name() {
        let ((), calls) = analytics_lib::testing::record(|| {
            found(1);
            told(Some(2));
            told(None);
        });
        assert_eq!((calls.setup.len(), calls.tracking.len()), (1, 2));
    }
}
