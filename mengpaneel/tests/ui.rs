//! Errors of attributes that are written wrong. `TRYBUILD=overwrite` updates the expected output
//! after a change of the texts or of the compiler.

#[test]
fn incorrect_attributes_are_reported_where_they_are_written() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
