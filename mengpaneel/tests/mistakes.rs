//! Each mistake is one error at its token, which shows the right form.
//!
//! `TRYBUILD=overwrite cargo test --test mistakes` writes the messages anew.

#[test]
fn each_mistake_is_told_where_it_is_and_how_to_right_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
