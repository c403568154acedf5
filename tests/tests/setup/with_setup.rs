//! `with_setup`: one middleware that replays calls, runs the setup function and flushes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::{Cookie, Key};
use actix_web::test::init_service;
use actix_web::{App, HttpRequest, HttpResponse, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{InProcessClient, event_names, flush_and_collect};
use stand_in::StandIn;

use crate::{PAGE, build};

async fn page() -> HttpResponse {
    mengpaneel::track("View", ());
    HttpResponse::Ok().content_type("text/html").body(PAGE)
}

async fn sign_in(session: Session) -> HttpResponse {
    session.insert("user", 7).unwrap();
    mengpaneel::track("Sign In", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/"))
        .cookie(Cookie::new("user", "7"))
        .finish()
}

/// Identifies the user in the session.
#[mengpaneel::setup(when(let Some(id) = session.get::<u64>("user").ok().flatten()), identify(id))]
async fn by_session(session: Session) {}

/// Identifies the user in a cookie, as applications without sessions do.
#[mengpaneel::setup(when(let Some(id) = request.cookie("user")), identify(id.value()))]
async fn by_cookie(request: HttpRequest) {}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(page))
        .route("/in", web::post().to(sign_in));
}

#[actix_web::test]
async fn with_setup_identifies_and_replays_with_a_session() {
    let mengpaneel = build(&StandIn::start(), |builder| builder);
    let session = SessionMiddleware::new(CookieSessionStore::default(), Key::from(&[8; 64]));
    let app = App::new()
        .configure(routes)
        .wrap(mengpaneel.with_setup(by_session))
        .wrap(session);
    let (app, mut ada) = (init_service(app).await, InProcessClient::default());
    assert_eq!(
        ada.send(&app, ada.post("/in").to_request()).await.status,
        303
    );
    let shown = ada.send(&app, ada.get("/").to_request()).await;
    assert_eq!(
        shown.call_summary(),
        ["identify 7", "track Sign In", "track View"]
    );
    assert_eq!(
        ada.send(&app, ada.get("/").to_request())
            .await
            .call_summary(),
        ["identify 7", "track View"]
    );
}

#[actix_web::test]
async fn with_setup_identifies_and_replays_without_a_session() {
    let mengpaneel = build(&StandIn::start(), |builder| builder);
    let app = init_service(
        App::new()
            .configure(routes)
            .wrap(mengpaneel.with_setup(by_cookie)),
    )
    .await;
    let mut ada = InProcessClient::default();
    ada.send(&app, ada.post("/in").to_request()).await;
    let shown = ada.send(&app, ada.get("/").to_request()).await;
    assert_eq!(
        shown.call_summary(),
        ["identify 7", "track Sign In", "track View"]
    );
}

#[actix_web::test]
async fn with_setup_of_a_scope_replaces_setup_of_its_app() {
    let mengpaneel = build(&StandIn::start(), |builder| builder);
    let visitor = || async { mengpaneel::setup(|mixpanel| mixpanel.identify("visitor")) };
    let admin = || async { mengpaneel::setup(|mixpanel| mixpanel.identify("admin")) };
    let scopes = [("/with_setup", true), ("/before", false)];
    for (path, is_wrapped) in scopes {
        let scope = || web::scope(path).route("/page", web::get().to(page));
        let app = App::new().route("/page", web::get().to(page));
        let app = if is_wrapped {
            app.service(scope().wrap(mengpaneel.with_setup(admin)))
        } else {
            app.service(scope().wrap(mengpaneel.before(admin)))
        };
        let app = init_service(app.wrap(mengpaneel.with_setup(visitor))).await;
        let mut ada = InProcessClient::default();
        let inside = ada
            .send(&app, ada.get(&format!("{path}/page")).to_request())
            .await;
        assert_eq!(
            inside.call_summary(),
            ["identify admin", "track View"],
            "{path}"
        );
        assert_eq!(inside.body.matches("mixpanel.push(").count(), 1, "{path}");
        let outside = ada.send(&app, ada.get("/page").to_request()).await;
        assert_eq!(
            outside.call_summary(),
            ["identify visitor", "track View"],
            "{path}"
        );
    }
}

#[actix_web::test]
async fn setup_function_does_not_run_without_token() {
    let runs = Arc::new(AtomicUsize::new(0));
    for (token, expected) in [("", 0), ("demo", 2)] {
        let counted = Arc::clone(&runs);
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {}
        };
        let mengpaneel = Mengpaneel::builder(token)
            .api_host(StandIn::start().url())
            .build()
            .unwrap();
        let scope = web::scope("/scope")
            .route("/page", web::get().to(page))
            .wrap(mengpaneel.before(count.clone()));
        let app = init_service(App::new().service(scope).wrap(mengpaneel.with_setup(count))).await;
        let mut ada = InProcessClient::default();
        assert_eq!(
            ada.send(&app, ada.get("/scope/page").to_request())
                .await
                .status,
            200
        );
        assert_eq!(runs.load(Ordering::Relaxed), expected, "{token:?}");
    }
}

#[actix_web::test]
async fn setup_function_leaves_body_to_the_handler() {
    let mengpaneel = build(&StandIn::start(), |builder| builder);
    let setup = |body: String| async move {
        mengpaneel::setup(|mixpanel| mixpanel.register(serde_json::json!({"Bytes": body.len()})));
    };
    let echo = web::post().to(|body: String| async { body });
    let app = init_service(
        App::new()
            .route("/", echo)
            .wrap(mengpaneel.with_setup(setup)),
    )
    .await;
    let mut ada = InProcessClient::default();
    let response = ada
        .send(&app, ada.post("/").set_payload("whole").to_request())
        .await;
    assert_eq!((response.status, response.body.as_str()), (200, "whole"));
}

#[actix_web::test]
async fn setup_function_records_for_its_own_instance() {
    let (first, second) = (StandIn::start(), StandIn::start());
    let product = build(&first, |builder| builder);
    let marketing = build(&second, |builder| builder.name("marketing"));
    let user = || async { mengpaneel::setup(|mixpanel| mixpanel.identify("user")) };
    let lead = || async { mengpaneel::setup(|mixpanel| mixpanel.identify("lead")) };
    let read = |request: HttpRequest, marketing: web::Data<Mengpaneel>| async move {
        mengpaneel::track("Read", ());
        marketing.for_request(&request).track("Reach", ());
        "text"
    };
    let scope = web::scope("/scope")
        .route("/read", web::get().to(read))
        .wrap(marketing.before(lead));
    let app = App::new()
        .app_data(web::Data::new(marketing.clone()))
        .service(scope);
    let app = init_service(app.wrap(product.with_setup(user)).wrap(marketing.clone())).await;
    let mut ada = InProcessClient::default();
    ada.send(&app, ada.fetch("/scope/read").to_request()).await;
    for (mengpaneel, stand_in, event, user) in [
        (&product, &first, "Read", "user"),
        (&marketing, &second, "Reach", "lead"),
    ] {
        let arrived = flush_and_collect(mengpaneel, stand_in).await;
        assert_eq!(
            (event_names(&arrived), arrived[0].distinct_id()),
            (vec![event], Some(user))
        );
    }
}
