//! `testing::record_request`, with which an application tests the calls it records.

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpResponse, guard, web};
use mengpaneel::{Calls, Consent, Mengpaneel, testing};
use mengpaneel_tests::{InProcessClient, event_names, flush_and_collect, summarize};
use stand_in::StandIn;

async fn user() {
    mengpaneel::setup(|mixpanel| mixpanel.identify(7));
}

async fn admin() {
    mengpaneel::setup(|mixpanel| mixpanel.identify("admin"));
}

#[mengpaneel::track("Bought")]
#[mengpaneel::track("Paid", via(server))]
#[mengpaneel::track("Failed", on(failure))]
async fn buy(path: web::Path<u16>) -> HttpResponse {
    HttpResponse::build(actix_web::http::StatusCode::from_u16(*path).unwrap()).finish()
}

#[mengpaneel::track("Guarded")]
fn is_guarded(_: &guard::GuardContext<'_>) -> bool {
    true
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/buy/{status}", web::get().to(buy))
        .route(
            "/guarded",
            web::get().guard(is_guarded).to(HttpResponse::Ok),
        )
        .service(
            web::resource("/unmatched")
                .guard(is_guarded)
                .route(web::post().to(HttpResponse::Ok)),
        );
}

/// Creates an instance with a token, and one without.
fn with_and_without_token(stand_in: &StandIn) -> [Mengpaneel; 2] {
    let consent = |request: &actix_web::HttpRequest| match request.query_string() {
        "denied" => Consent::Denied,
        _ => Consent::Unknown,
    };
    ["demo", ""].map(|token| {
        Mengpaneel::builder(token)
            .api_host(stand_in.url())
            .consent(consent)
            .build()
            .unwrap()
    })
}

fn call_summary(calls: &Calls) -> Vec<String> {
    summarize(&calls.iter().cloned().collect::<Vec<_>>())
}

macro_rules! recorded {
    ($app:expr, $request:expr) => {
        call_summary(
            &testing::record_request(|| $app.call($request.to_request()))
                .await
                .1,
        )
    };
}

#[actix_web::test]
async fn record_request_returns_calls_of_wrapped_app() {
    for mengpaneel in with_and_without_token(&StandIn::start()) {
        let scope = web::scope("/admin")
            .configure(routes)
            .wrap(mengpaneel.before(admin));
        let app = App::new()
            .service(scope)
            .configure(routes)
            .wrap(mengpaneel.with_setup(user));
        let app = init_service(app).await;
        let get = |path: &str| TestRequest::get().uri(path);
        assert_eq!(
            recorded!(app, get("/buy/200")),
            ["identify 7", "track Bought", "track Paid"]
        );
        assert_eq!(
            recorded!(app, get("/buy/500")),
            ["identify 7", "track Failed"]
        );
        assert_eq!(
            recorded!(app, get("/admin/buy/200")),
            ["identify admin", "track Bought", "track Paid"]
        );
        assert_eq!(
            recorded!(app, get("/guarded")),
            ["identify 7", "track Guarded"]
        );
        assert_eq!(recorded!(app, get("/none")), ["identify 7"]);
    }
}

#[actix_web::test]
async fn record_request_obeys_consent() {
    for mengpaneel in with_and_without_token(&StandIn::start()) {
        let app = init_service(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.with_setup(user)),
        )
        .await;
        let get = |path: &str| TestRequest::get().uri(path);
        assert_eq!(
            recorded!(app, get("/buy/200").insert_header(("dnt", "1"))),
            Vec::<String>::new()
        );
        assert_eq!(recorded!(app, get("/buy/200?denied")), Vec::<String>::new());
    }
}

#[actix_web::test]
async fn record_request_misses_calls_of_misplaced_setup() {
    for mengpaneel in with_and_without_token(&StandIn::start()) {
        let app = App::new()
            .configure(routes)
            .wrap(mengpaneel.clone())
            .wrap(mengpaneel.before(user));
        let app = init_service(app).await;
        assert_eq!(
            recorded!(app, TestRequest::get().uri("/buy/200")),
            ["track Bought", "track Paid"]
        );
    }
}

#[actix_web::test]
async fn record_request_works_for_unwrapped_app() {
    for mengpaneel in with_and_without_token(&StandIn::start()) {
        let app = init_service(App::new().configure(routes).wrap(mengpaneel.before(user))).await;
        assert_eq!(
            recorded!(app, TestRequest::get().uri("/buy/200")),
            ["identify 7", "track Bought", "track Paid"]
        );
    }
}

#[actix_web::test]
async fn record_request_omits_calls_of_earlier_requests() {
    let stand_in = StandIn::start();
    let builder = Mengpaneel::builder("demo").api_host(stand_in.url());
    let mengpaneel = builder
        .cookie_key(actix_web::cookie::Key::from(&[7; 64]))
        .build()
        .unwrap();
    let redirect = || async {
        mengpaneel::before_setup(|mixpanel| mixpanel.alias(7));
        mengpaneel::setup(|mixpanel| mixpanel.identify(7));
        mengpaneel::track("Sign Up", ());
        HttpResponse::SeeOther()
            .insert_header(("location", "/"))
            .finish()
    };
    let page = || async {
        mengpaneel::track("View", ());
        HttpResponse::Ok()
            .content_type("text/html")
            .body("<!doctype html><html><head></head></html>")
    };
    let app = App::new()
        .route("/redirect", web::get().to(redirect))
        .route("/", web::get().to(page))
        .wrap(mengpaneel.clone());
    let (app, mut ada) = (init_service(app).await, InProcessClient::default());
    let request = ada.get("/redirect").to_request();
    let (response, calls) = testing::record_request(|| app.call(request)).await;
    ada.read_response(response.unwrap()).await;
    assert_eq!(
        call_summary(&calls),
        ["alias 7", "identify 7", "track Sign Up"]
    );
    let request = ada.get("/").to_request();
    let (response, calls) = testing::record_request(|| app.call(request)).await;
    assert_eq!(call_summary(&calls), ["track View"]);
    // The page itself replays them, as without `record_request`.
    let shown = ada.read_response(response.unwrap()).await;
    assert_eq!(
        shown.call_summary(),
        ["alias 7", "identify 7", "track Sign Up", "track View"]
    );
}

#[actix_web::test]
async fn record_request_delivers_only_with_token() {
    let stand_in = StandIn::start();
    for (mengpaneel, expected) in with_and_without_token(&stand_in)
        .iter()
        .zip([vec!["Bought", "Paid"], vec![]])
    {
        stand_in.clear();
        let app = init_service(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.with_setup(user)),
        )
        .await;
        recorded!(app, TestRequest::get().uri("/buy/200"));
        let arrived = flush_and_collect(mengpaneel, &stand_in).await;
        let mut arrived = event_names(&arrived);
        arrived.sort_unstable();
        assert_eq!(arrived, expected);
    }
}
