// The declared return type is checked, as without the attribute.
async fn save() -> Result<(), String> {
    Err("no".into())
}

#[mengpaneel::track("X")]
fn returns_a_number() {
    5
}

#[mengpaneel::track("Saved")]
async fn forgets_the_semicolon() {
    save().await
}

#[mengpaneel::track("X")]
fn returns_early() {
    if true {
        return 5;
    }
}

#[mengpaneel::track("X", n = n)]
fn ends_in_the_let() -> u32 {
    let n = 1;
}

#[mengpaneel::track("X", n = n)]
async fn ends_in_the_let_later() -> u32 {
    let n = 1;
}

#[mengpaneel::track("X")]
fn returns_another_type() -> u32 {
    "5"
}

#[mengpaneel::setup]
fn bare() {
    5
}

fn main() {
    returns_a_number();
    drop(forgets_the_semicolon());
    returns_early();
    ends_in_the_let();
    drop(ends_in_the_let_later());
    returns_another_type();
    bare();
}
