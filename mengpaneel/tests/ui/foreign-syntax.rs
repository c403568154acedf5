// Syntax of other macros. Each error shows the correct syntax, at the token.
struct Post {
    title: String,
}

#[mengpaneel::track("X", "Title" => post.title)]
fn fat_arrow(post: Post) {}

#[mengpaneel::track("X", "Title": post.title)]
fn colon(post: Post) {}

#[mengpaneel::track("X", title: post.title)]
fn colon_after_a_word(post: Post) {}

#[mengpaneel::track("X", when x > 0)]
fn when_without_parentheses(x: u8) {}

#[mengpaneel::track("X", if x > 0)]
fn if_without_parentheses(x: u8) {}

#[mengpaneel::setup(people.set($email = x))]
fn dollar(x: u8) {}

#[mengpaneel::track("X", title = %x)]
fn display(x: u8) {}

#[mengpaneel::track("X", title = ?x)]
fn debug(x: u8) {}

#[mengpaneel::track("X", on("failure"))]
fn quoted_trigger() {}

#[mengpaneel::track("X", via("server"))]
fn quoted_server() {}

#[mengpaneel::track("X", server)]
fn bare_server() {}

#[mengpaneel::track("X", on(error))]
fn synonym() {}

#[mengpaneel::track("X", on = "failure")]
fn trigger_as_a_property() {}

#[mengpaneel::track("X", via = "server")]
fn server_as_a_property() {}

#[mengpaneel::track(name("E"))]
fn named() {}

#[mengpaneel::track(identify(1))]
fn call_as_an_event() {}

#[mengpaneel::track(track("E"))]
fn event_in_an_event() {}

#[mengpaneel::setup(mixpanel.identify(1))]
fn handle() {}

#[mengpaneel::setup(user.id)]
fn value(user: Post) {}

#[mengpaneel::track("X", title = post.)]
fn half_typed(post: Post) {}

#[mengpaneel::track(@"X")]
fn sigil() {}

fn main() {
    fat_arrow(Post { title: String::new() });
    sigil();
}
