//! Crate that depends on mengpaneel by another name. The attributes find the name in the manifest,
//! or get the path from the option `crate(…)`.
#![deny(warnings)]

pub mod analytics {
    //! Re-export of mengpaneel, as an application may offer it to its own crates.

    pub use analytics_lib as everything;
}

/// Function with two attributes that find the name in `Cargo.toml`.
#[analytics_lib::track("Manifest", n = n)]
#[analytics_lib::setup(identify(n))]
pub fn name_from_manifest(n: u32) {}

/// Function with an attribute that has the option `crate(…)`.
#[analytics::everything::track("Explicit", when(let Some(n) = n && n > 1), n = n, crate(crate::analytics::everything))]
pub fn explicit_path(n: Option<u32>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_work_in_a_crate_that_renames_mengpaneel() {
        let ((), calls) = analytics_lib::testing::record(|| {
            name_from_manifest(1);
            explicit_path(Some(2));
            explicit_path(None);
        });
        assert_eq!((calls.setup.len(), calls.tracking.len()), (1, 2));
    }
}
