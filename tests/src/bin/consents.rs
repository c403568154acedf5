//! Server for browser tests of consent.
//!
//! `JS_CONFIG` holds the configuration of mixpanel-js as JSON. If `RULE` is set, the cookie `rule`
//! decides first.

use std::io::Read as _;

use actix_web::cookie::Cookie;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use mengpaneel::{Consent, Mixpanel};
use mengpaneel_tests::TestApp;

fn main() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let config =
        serde_json::from_str(&variable("JS_CONFIG")).unwrap_or_else(|_| serde_json::json!({}));
    let app = TestApp::build(routes, |builder| {
        let builder = builder
            .lib_url(variable("CDN") + "/mixpanel.js")
            .js_config(config);
        if variable("RULE").is_empty() {
            builder
        } else {
            builder.consent(rule)
        }
    });
    println!("mixpanel on {}", app.stand_in.url());
    println!("listening on {}", app.url);
    // The parent process closes standard input to stop the server.
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}

fn rule(request: &HttpRequest) -> Consent {
    match request.cookie("rule").as_ref().map(Cookie::value) {
        Some("yes") => Consent::Granted,
        Some("no") => Consent::Denied,
        _ => Consent::Unknown,
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(view).service(choose);
}

/// Page that tracks on the server and in a script of its own.
#[mengpaneel::track("View")]
#[get("/page")]
async fn view() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(
            "<!doctype html><html><head></head><body><script>mixpanel.track('Own');</script>\
         <form method=post action=/choose/in><button id=in>in</button></form>\
         <form method=post action=/choose/out><button id=out>out</button></form></body></html>",
        )
}

#[post("/choose/{choice}")]
async fn choose(choice: web::Path<String>, mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.track("Before", ());
    if *choice == "in" {
        mixpanel.opt_in_tracking();
    } else {
        mixpanel.opt_out_tracking();
    }
    mixpanel.track("After", ());
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/page"))
        .finish()
}
