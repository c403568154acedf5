#[mengpaneel::track("X")]
const fn constant() {}

#[mengpaneel::track("X")]
unsafe fn not_safe() {}

#[mengpaneel::track("X")]
extern "C" fn foreign() {}

fn main() {
    constant();
    unsafe { not_safe() };
    foreign();
}
