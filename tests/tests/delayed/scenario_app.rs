//! Server that runs scenarios.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_session::Session;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{Error, HttpRequest, HttpResponse, error, web};
use mengpaneel::Builder;
use mengpaneel_tests::{SessionConfig, TestApp};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::scenario::{HEADER, Outcome, Scenario, SessionChange, Setup};

const PAGE: &str = "<!doctype html><html><head></head><body>page</body></html>";

pub(crate) fn start_app() -> TestApp {
    TestApp::start(routes)
}

pub(crate) fn start_with_sessions(sessions: &SessionConfig) -> TestApp {
    TestApp::with_sessions(sessions, routes, |builder| builder)
}

pub(crate) fn start_with_options(options: impl FnOnce(Builder) -> Builder) -> TestApp {
    TestApp::build(routes, options)
}

/// Gates by name.
#[derive(Default)]
struct Gates(Mutex<HashMap<String, Gate>>);

/// Point in a handler that a test waits for and opens.
#[derive(Clone)]
struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Gates {
    fn get(&self, name: &str) -> Gate {
        let gate = || Gate {
            reached: Arc::new(Semaphore::new(0)),
            opened: Arc::new(Semaphore::new(0)),
        };
        let mut gates = self.0.lock().unwrap();
        gates.entry(name.to_owned()).or_insert_with(gate).clone()
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::Data::new(Gates::default()))
        .route("/reached/{gate}", web::get().to(reached))
        .route("/open/{gate}", web::get().to(open))
        .service(web::resource("/").to(run))
        .service(
            // The middleware is inside of Mengpaneel and fails after the handler has returned.
            web::scope("/failing")
                .wrap_fn(|request, service| {
                    let response = service.call(request);
                    async move {
                        let response: Result<ServiceResponse, Error> = response.await;
                        drop(response?);
                        Err::<ServiceResponse, Error>(error::ErrorBadGateway(
                            "the middleware failed",
                        ))
                    }
                })
                .service(web::resource("").to(run)),
        );
}

async fn reached(name: web::Path<String>, gates: web::Data<Gates>) -> &'static str {
    gates.get(&name).reached.acquire().await.unwrap().forget();
    "reached"
}

async fn open(name: web::Path<String>, gates: web::Data<Gates>) -> &'static str {
    gates.get(&name).opened.add_permits(1);
    "open"
}

/// Runs the scenario of the request; without one, responds with a page.
async fn run(
    request: HttpRequest,
    session: Session,
    gates: web::Data<Gates>,
) -> Result<HttpResponse, Error> {
    let header = request.headers().get(HEADER);
    let scenario = header.map(|json| serde_json::from_slice::<Scenario>(json.as_bytes()).unwrap());
    let scenario = scenario.unwrap_or_default();
    if let Some(id) = &scenario.alias {
        mengpaneel::before_setup(|mixpanel| mixpanel.alias(id));
    }
    match &scenario.setup {
        Setup::Undecided => {}
        Setup::Anonymous => mengpaneel::setup(|_| {}),
        Setup::Identify(id) => mengpaneel::setup(|mixpanel| mixpanel.identify(id)),
    }
    change_session(&session, &scenario);
    for events in &scenario.events {
        for number in 1..=events.count {
            mengpaneel::track(events.name.as_str(), json!({"At": number}));
        }
    }
    if let Some(property) = &scenario.increment {
        mengpaneel::people().increment(property.as_str(), 1);
    }
    if let Some(property) = &scenario.set {
        mengpaneel::people().set(json!({property: "Pro"}));
    }
    if let Some(name) = &scenario.gate {
        let gate = gates.get(name);
        gate.reached.add_permits(1);
        gate.opened.acquire().await.unwrap().forget();
    }
    respond(&session, &scenario)
}

fn change_session(session: &Session, scenario: &Scenario) {
    match &scenario.session {
        SessionChange::Nothing => {}
        SessionChange::Renew => session.renew(),
        SessionChange::Clear => session.clear(),
        SessionChange::Purge => session.purge(),
        SessionChange::Insert(value) => session.insert("value", value).unwrap(),
    }
    if let Some(raw) = &scenario.raw_session_value {
        let value = serde_json::from_str::<Value>(raw).unwrap_or_else(|_| json!(raw));
        session.insert("mengpaneel_delayed_calls", value).unwrap();
    }
}

fn respond(session: &Session, scenario: &Scenario) -> Result<HttpResponse, Error> {
    let status = scenario
        .status
        .map(|code| StatusCode::from_u16(code).unwrap());
    let mut response = match &scenario.outcome {
        Outcome::Panic => panic!("on purpose"),
        Outcome::Error => return Err(error::ErrorInternalServerError("on purpose")),
        Outcome::Json => HttpResponse::Ok().json(json!({"value": session.get::<String>("value")?})),
        Outcome::Page => HttpResponse::build(status.unwrap_or(StatusCode::OK))
            .content_type("text/html")
            .body(PAGE),
        Outcome::Redirect(location) => HttpResponse::build(status.unwrap_or(StatusCode::SEE_OTHER))
            .insert_header(("location", location.as_str()))
            .finish(),
    };
    if let Some(value) = &scenario.cache_control {
        let value = HeaderValue::from_str(value).map_err(error::ErrorBadRequest)?;
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    if scenario.cookie_bytes > 0 {
        let cookie = Cookie::new("application", "x".repeat(scenario.cookie_bytes));
        response
            .add_cookie(&cookie)
            .map_err(error::ErrorBadRequest)?;
    }
    Ok(response)
}
