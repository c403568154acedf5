//! A server whose visitors may or may not be tracked: mixpanel-js is configured as `JS_CONFIG`
//! says, and the cookie `rule` is the application's own rule where `RULE` is set.

use std::io::Read as _;

use actix_web::cookie::Cookie;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use mengpaneel::{Consent, Mixpanel};
use mengpaneel_tests::Workshop;

fn main() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let config =
        serde_json::from_str(&variable("JS_CONFIG")).unwrap_or_else(|_| serde_json::json!({}));
    let workshop = Workshop::build(routes, |builder| {
        let builder = builder
            .lib_url(variable("CDN") + "/mixpanel.js")
            .js_config(config);
        if variable("RULE").is_empty() {
            builder
        } else {
            builder.consent(rule)
        }
    });
    println!("mixpanel on {}", workshop.stand_in.url());
    println!("listening on {}", workshop.url);
    // Until whoever started it closes its input, or ends it.
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

/// A page that tracks by the server and by a script of its own.
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
