#[mengpaneel::track("X")]
const fn constant() {}

#[mengpaneel::track("X")]
unsafe fn not_safe() {}

#[mengpaneel::track("X")]
extern "C" fn foreign() {}

#[mengpaneel::track("X")]
fn not_async() -> impl Future<Output = ()> {
    async {}
}

fn main() {
    constant();
    unsafe { not_safe() };
    foreign();
    let _ = not_async();
}
