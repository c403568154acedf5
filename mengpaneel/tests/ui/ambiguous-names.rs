// Names with several possible meanings. Each error shows how to avoid the ambiguity.
macro_rules! each {
    (|$name:ident| $body:expr) => {
        (|$name: u32| $body)(1)
    };
}

macro_rules! text {
    ($text:literal) => {
        $text
    };
}

#[mengpaneel::track("X", n = each!(|n| n + 1))]
fn may_bind() {
    let n = 2;
    let _ = n;
}

#[mengpaneel::track("X", text = text!("{n}"))]
fn may_inline() {
    let n = 2;
    let _ = n;
}

#[mengpaneel::track("X", sum = n + user.unwrap_or(0))]
fn means_two_things(user: Option<u32>) {
    if let Some(user) = user {
        let n = 2;
        let _ = (n, user);
    }
}

fn main() {
    may_bind();
    may_inline();
    means_two_things(None);
}
