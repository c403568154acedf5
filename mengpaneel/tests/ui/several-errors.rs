// Each attribute has one error. The function itself has none.
#[mengpaneel::track("X", when)]
#[mengpaneel::setup(identfy(1))]
#[mengpaneel::before_setup(alias())]
fn several(n: u32) -> u32 {
    n + 1
}

fn main() {
    let _: u32 = several(1);
}
