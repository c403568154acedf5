//! Attributes in a module without a prelude.
#![no_implicit_prelude]

use ::std::{assert_eq, vec};

const EVENT: &str = "No Prelude";

mod keys {
    pub(crate) const KEY: &str = "Key";
}

#[::mengpaneel::track(EVENT, n = n, keys::KEY = doubled, when(n > 1), on(always))]
#[::mengpaneel::setup(identify(n))]
fn records(n: u32) -> u32 {
    let doubled = n * 2;
    doubled
}

#[::mengpaneel::track(EVENT)]
async fn records_async() -> ::core::result::Result<u32, u32> {
    ::core::result::Result::Ok(1)
}

#[::mengpaneel::setup]
fn sets() {
    ::mengpaneel::identify(1);
}

#[test]
fn attributes_need_no_prelude() {
    assert_eq!(
        crate::support::calls_of(|| records(2)),
        vec!["identify 2", "track No Prelude"]
    );
    assert_eq!(
        crate::calls_of_future(records_async),
        vec!["track No Prelude"]
    );
    assert_eq!(crate::support::calls_of(sets), vec!["identify 1"]);
}
