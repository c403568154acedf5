#[mengpaneel::track]
fn bare() {}

#[mengpaneel::track()]
fn empty() {}

#[mengpaneel::track("Title" = 1)]
fn property_first() {}

#[mengpaneel::track("")]
fn empty_text() {}

fn main() {
    // The functions still exist, so these calls cause no further errors.
    bare();
    empty();
    property_first();
    empty_text();
}
