//! Tracking plan of this test program.
#![deny(warnings, unused, clippy::pedantic)]
#![allow(
    missing_docs,
    dead_code,
    reason = "functions are listed even if they never run"
)]

use actix_web::{HttpResponse, post};
use mengpaneel::{before_setup, plan, setup, track};
use serde_json::json;

mod names {
    pub(crate) const SIGN_IN: &str = "Sign In";
}

/// Line of the first attribute.
const FIRST_LINE: u32 = line!() + 2;

#[track("Create Blog Post", "Title" = title, ..extra)]
#[setup(identify(1), people.set("$email" = "a@b.c"))]
#[post("/posts")]
async fn create_post() -> HttpResponse {
    let title = "";
    let extra = json!({});
    drop((title, extra));
    HttpResponse::Ok().finish()
}

#[before_setup(alias(1))]
#[track(names::SIGN_IN, via(server), { names::SIGN_IN } = 1)]
#[actix_web::route("/session", method = "POST", method = "PUT")]
async fn sign_in() -> HttpResponse {
    HttpResponse::Ok().finish()
}

struct Generic<T>(T);

impl<T: ToString> Generic<T> {
    #[track(format!("Event {}", self.0.to_string()))]
    fn event(&self) {}
}

#[test]
fn plan_lists_every_annotation_with_its_location() {
    let plan = plan();
    assert_eq!(
        plan.events(),
        [
            "Create Blog Post",
            "Sign In",
            "{format! (\"Event {}\", self.0.to_string())}"
        ]
    );
    let calls: Vec<_> = plan
        .iter()
        .map(|annotation| annotation.call.as_str())
        .collect();
    assert_eq!(
        calls,
        ["track", "identify", "people.set", "alias", "track", "track"]
    );
    let first = &plan[0];
    assert_eq!(first.properties, ["Title", "..extra"]);
    assert_eq!(first.function, "plan::create_post");
    assert_eq!(first.routes[0].to_string(), "POST /posts");
    assert_eq!((first.line, plan[1].line), (FIRST_LINE, FIRST_LINE + 1));
    assert_eq!(plan[4].routes[0].to_string(), "POST|PUT /session");
    assert_eq!(plan[4].properties, ["Sign In"]);
    assert!(plan[4].via_server);
}

#[test]
fn plan_can_be_a_table_json_and_lexicon_schemas() {
    let plan = plan();
    let table = plan.to_string();
    let line = table
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let location = format!("POST /posts plan::create_post mengpaneel/tests/plan.rs:{FIRST_LINE}");
    assert_eq!(
        line,
        format!("Create Blog Post Title, ..extra tracking {location}")
    );
    assert!(
        plan.to_markdown()
            .contains("| Sign In | Sign In | tracking, via server | POST\\|PUT /session |")
    );
    let lexicon = plan.to_lexicon();
    assert_eq!(lexicon["entries"][0]["name"], "Create Blog Post");
    assert_eq!(
        lexicon["entries"][0]["schemaJson"]["properties"],
        json!({"Title": {}})
    );
    assert_eq!(plan.to_json()[0]["mode"], "tracking");
}
