//! One route that does what its query says, so that each test reads as the requests it makes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_session::Session;
use actix_web::cookie::Cookie;
use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{Error, HttpResponse, error, web};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// What a request is to do, in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wish {
    /// `alias` before setup.
    alias: String,
    /// Who is there: `-` says that nobody is, nothing says nothing.
    who: String,
    /// `renew`, `clear`, `purge`, or what is put there.
    session: String,
    /// A value for our own session key.
    left: String,
    /// Events, with commas between; `Name*10` is ten.
    track: String,
    /// `people.increment` of this property.
    increment: String,
    /// `people.set` of this property.
    set: String,
    /// Waits until the gate of that name is opened.
    gate: String,
    /// `panic`, `err`, `json`, `middleware`, or a redirect to that location.
    then: String,
    status: Option<u16>,
    /// The response's own `Cache-Control`.
    cache: String,
    /// Length of a cookie of the application's own.
    cookie: usize,
}

/// Gates that requests wait at.
#[derive(Default)]
struct Gates(Mutex<HashMap<String, Gate>>);

#[derive(Clone)]
struct Gate {
    reached: Arc<Semaphore>,
    opened: Arc<Semaphore>,
}

impl Gates {
    fn gate(&self, name: &str) -> Gate {
        let gate = || Gate {
            reached: Arc::new(Semaphore::new(0)),
            opened: Arc::new(Semaphore::new(0)),
        };
        self.0
            .lock()
            .unwrap()
            .entry(name.to_owned())
            .or_insert_with(gate)
            .clone()
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::Data::new(Gates::default()))
        .route("/reached/{gate}", web::get().to(reached))
        .route("/open/{gate}", web::get().to(open))
        .service(web::resource("/").to(wish))
        .service(
            // A middleware inside of ours that fails once the handler has answered.
            web::scope("/failing")
                .wrap_fn(|request, service| {
                    let answer = service.call(request);
                    async move {
                        let response: Result<ServiceResponse, Error> = answer.await;
                        drop(response?);
                        Err::<ServiceResponse, Error>(error::ErrorBadGateway(
                            "the middleware failed",
                        ))
                    }
                })
                .service(web::resource("").to(wish)),
        );
}

async fn reached(name: web::Path<String>, gates: web::Data<Gates>) -> &'static str {
    gates.gate(&name).reached.acquire().await.unwrap().forget();
    "reached"
}

async fn open(name: web::Path<String>, gates: web::Data<Gates>) -> &'static str {
    gates.gate(&name).opened.add_permits(1);
    "open"
}

async fn wish(
    wish: web::Query<Wish>,
    session: Session,
    gates: web::Data<Gates>,
) -> Result<HttpResponse, Error> {
    if !wish.alias.is_empty() {
        mengpaneel::before_setup(|mixpanel| mixpanel.alias(&wish.alias));
    }
    match wish.who.as_str() {
        "" => {}
        "-" => mengpaneel::setup(|_| {}),
        who => mengpaneel::setup(|mixpanel| mixpanel.identify(who)),
    }
    match wish.session.as_str() {
        "" => {}
        "renew" => session.renew(),
        "clear" => session.clear(),
        "purge" => session.purge(),
        own => session.insert("own", own).unwrap(),
    }
    if !wish.left.is_empty() {
        let left = serde_json::from_str::<Value>(&wish.left).unwrap_or_else(|_| json!(wish.left));
        session.insert("mengpaneel_delayed_calls", left).unwrap();
    }
    for event in wish.track.split(',').filter(|event| !event.is_empty()) {
        let (name, times) = event.split_once('*').unwrap_or((event, "1"));
        for at in 1..=times.parse().unwrap() {
            mengpaneel::track(name, json!({"At": at}));
        }
    }
    if !wish.increment.is_empty() {
        mengpaneel::people().increment(&*wish.increment, 1);
    }
    if !wish.set.is_empty() {
        mengpaneel::people().set(json!({&*wish.set: "Pro"}));
    }
    if !wish.gate.is_empty() {
        let gate = gates.gate(&wish.gate);
        gate.reached.add_permits(1);
        gate.opened.acquire().await.unwrap().forget();
    }
    let status = wish
        .status
        .map(|status| StatusCode::from_u16(status).unwrap());
    let mut response = match wish.then.as_str() {
        "panic" => panic!("on purpose"),
        "err" => return Err(error::ErrorInternalServerError("on purpose")),
        "json" => HttpResponse::Ok().json(json!({"own": session.get::<String>("own")?})),
        "" => HttpResponse::build(status.unwrap_or(StatusCode::OK))
            .content_type("text/html")
            .body(PAGE),
        location => {
            let location = if location == "-" { "" } else { location };
            HttpResponse::build(status.unwrap_or(StatusCode::SEE_OTHER))
                .insert_header(("location", location))
                .finish()
        }
    };
    if !wish.cache.is_empty() {
        let value = HeaderValue::from_str(&wish.cache).map_err(error::ErrorBadRequest)?;
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    if wish.cookie > 0 {
        response
            .add_cookie(&Cookie::new("application", "x".repeat(wish.cookie)))
            .map_err(error::ErrorBadRequest)?;
    }
    Ok(response)
}

const PAGE: &str = "<!doctype html><html><head></head><body>page</body></html>";
