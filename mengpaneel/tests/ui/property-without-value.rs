#[mengpaneel::track("X", "Title")]
fn text() {}

#[mengpaneel::track("X", title)]
fn name(title: &str) {
    let _ = title;
}

#[mengpaneel::track("X", title = )]
fn half_typed(title: &str) {
    let _ = title;
}

#[mengpaneel::track("X", ..)]
fn spread() {}

fn main() {
    text();
    name("");
    half_typed("");
    spread();
}
