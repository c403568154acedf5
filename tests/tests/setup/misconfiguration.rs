//! Wrong set-ups: each gets one message with the lines to write. Correct applications get none.

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::middleware::{Condition, NormalizePath};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse, web};
use mengpaneel::{Builder, Mengpaneel};
use mengpaneel_tests::Log;
use stand_in::StandIn;

use crate::{PAGE, build};

async fn page() -> HttpResponse {
    mengpaneel::track("View", ());
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

async fn go() -> HttpResponse {
    mengpaneel::track("Go", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/"))
        .finish()
}

async fn user() {
    mengpaneel::setup(|mixpanel| mixpanel.identify(7));
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(page))
        .route("/go", web::get().to(go));
}

fn session() -> SessionMiddleware<CookieSessionStore> {
    SessionMiddleware::new(CookieSessionStore::default(), Key::from(&[8; 64]))
}

/// Logged messages of WARN and ERROR while two workers of an app answer each path twice.
macro_rules! messages {
    ($app:expr, $paths:expr) => {{
        let log = Log::default();
        let captured = log.capture();
        for _worker in 0..2 {
            let app = init_service($app).await;
            for path in $paths.iter().chain(&$paths) {
                let request = TestRequest::get()
                    .uri(path)
                    .insert_header(("host", "blog.example"));
                let request = request.insert_header(("accept", "text/html")).to_request();
                read_body(call_service(&app, request).await).await;
            }
        }
        drop(captured);
        [log.entries("WARN"), log.entries("ERROR")].concat()
    }};
}

/// Checks that there is one message, of this level, with these lines to write.
#[track_caller]
fn assert_one(messages: &[String], level: &str, parts: &[&str]) {
    let [message] = messages else {
        panic!("{messages:#?}")
    };
    for part in [level].iter().chain(parts) {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[actix_web::test]
async fn setup_function_outside_of_its_mengpaneel_is_an_error() {
    let stand_in = StandIn::start();
    for token in ["demo", ""] {
        let built = |options: fn(Builder) -> Builder| {
            options(
                Mengpaneel::builder(token)
                    .api_host(stand_in.url())
                    .cookie_key(Key::from(&[7; 64])),
            )
            .build()
            .unwrap()
        };
        let lines = [
            "ERROR",
            "path=\"/\"",
            ".wrap(mengpaneel.with_setup(signed_in))",
            ".wrap(mengpaneel.before(",
        ];

        let mengpaneel = built(|builder| builder);
        let outside = messages!(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.clone())
                .wrap(mengpaneel.before(user)),
            ["/"]
        );
        assert_one(&outside, "ERROR", &lines);

        let mengpaneel = built(|builder| builder);
        let alone = messages!(
            App::new().configure(routes).wrap(mengpaneel.before(user)),
            ["/none"]
        );
        assert_one(&alone, "ERROR", &lines[2..]);

        let (mengpaneel, other) = (
            built(|builder| builder),
            built(|builder| builder.name("other")),
        );
        let in_another = messages!(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.before(user))
                .wrap(other.clone()),
            ["/"]
        );
        assert_one(&in_another, "ERROR", &lines);
    }
}

#[actix_web::test]
async fn two_mengpaneels_of_one_name_are_an_error() {
    let stand_in = StandIn::start();
    let (product, marketing) = (
        build(&stand_in, |builder| builder),
        build(&stand_in, |builder| builder),
    );
    let messages = messages!(
        App::new()
            .configure(routes)
            .wrap(product.clone())
            .wrap(marketing.clone()),
        ["/"]
    );
    assert_one(
        &messages,
        "ERROR",
        &["Mengpaneel::builder(token).name(\"marketing\")"],
    );
}

#[actix_web::test]
async fn session_inside_of_the_mengpaneel_is_a_warning() {
    let stand_in = StandIn::start();
    let signed_in = |session: Session| async move { drop(session) };
    let lines = [
        ".wrap(mengpaneel.with_setup(signed_in))",
        ".wrap(SessionMiddleware::new(store, key))",
    ];
    let mengpaneel = build(&stand_in, |builder| builder);
    let one_wrap = messages!(
        App::new()
            .configure(routes)
            .wrap(session())
            .wrap(mengpaneel.with_setup(signed_in)),
        ["/", "/go"]
    );
    assert_one(&one_wrap, "WARN", &lines);
    let mengpaneel = build(&stand_in, |builder| builder);
    let clone = messages!(
        App::new()
            .configure(routes)
            .wrap(session())
            .wrap(mengpaneel.clone()),
        ["/", "/go"]
    );
    assert_one(&clone, "WARN", &lines);
    let mengpaneel = build(&stand_in, |builder| builder);
    let (before, around) = (mengpaneel.before(signed_in), mengpaneel.clone());
    let inside = messages!(
        App::new()
            .configure(routes)
            .wrap(before.clone())
            .wrap(session())
            .wrap(around.clone()),
        ["/", "/go"]
    );
    assert_eq!(
        inside,
        Vec::<String>::new(),
        "the function reads the session"
    );
}

#[actix_web::test]
async fn extractor_that_fails_is_a_warning_and_one_that_refuses_is_none() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in, |builder| builder);
    let by_data = |_: web::Data<u8>| async {};
    let failing = messages!(
        App::new()
            .configure(routes)
            .wrap(mengpaneel.with_setup(by_data)),
        ["/"]
    );
    assert_one(
        &failing,
        "WARN",
        &["status 500", "App::new().app_data(web::Data::new(db))"],
    );
    let by_form = |_: web::Form<[u8; 2]>| async {};
    let refusing = messages!(
        App::new()
            .configure(routes)
            .wrap(mengpaneel.with_setup(by_form)),
        ["/"]
    );
    assert_eq!(refusing, Vec::<String>::new());
}

#[actix_web::test]
async fn redirects_without_a_carrier_are_a_warning() {
    let stand_in = StandIn::start();
    for has_session in [false, true] {
        let mengpaneel = Mengpaneel::builder("demo")
            .api_host(stand_in.url())
            .build()
            .unwrap();
        let app = || {
            App::new()
                .configure(routes)
                .wrap(mengpaneel.with_setup(user))
        };
        let messages = if has_session {
            messages!(app().wrap(session()), ["/", "/go"])
        } else {
            messages!(app(), ["/", "/go"])
        };
        assert_one(
            &messages,
            "WARN",
            &[
                "path=\"/go\"",
                "No session carries them",
                "Mengpaneel::builder(token).cookie_key(key)",
            ],
        );
    }
}

/// A page with these headers.
async fn page_with(headers: &[(&'static str, &'static str)]) -> HttpResponse {
    let mut page = page().await;
    for (name, value) in headers {
        let name = actix_web::http::header::HeaderName::from_static(name);
        page.headers_mut().append(
            name,
            actix_web::http::header::HeaderValue::from_static(value),
        );
    }
    page
}

#[actix_web::test]
async fn proxy_that_hides_the_host_is_a_warning() {
    let stand_in = StandIn::start();
    for (trusted, expected) in [(false, 1), (true, 0)] {
        let mengpaneel = build(&stand_in, |builder| {
            if trusted {
                builder.trusted_proxies(["127.0.0.1"])
            } else {
                builder
            }
        });
        let log = Log::default();
        let _captured = log.capture();
        let app = init_service(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.with_setup(user)),
        )
        .await;
        for _ in 0..2 {
            let request = TestRequest::get()
                .uri("/")
                .peer_addr("127.0.0.1:1".parse().unwrap());
            let headers = [
                ("host", "127.0.0.1:8080"),
                ("x-forwarded-host", "blog.example"),
                ("x-forwarded-proto", "https"),
                ("origin", "https://blog.example"),
                ("sec-fetch-site", "same-origin"),
            ];
            let request = headers
                .into_iter()
                .fold(request, TestRequest::insert_header);
            call_service(&app, request.to_request()).await;
        }
        let warnings = log.entries("WARN");
        assert_eq!(warnings.len(), expected, "{warnings:?}");
        assert!(
            warnings
                .iter()
                .all(|warning| warning.contains(".trusted_proxies([")),
            "{warnings:?}"
        );
    }
}

#[actix_web::test]
async fn page_that_is_encoded_inside_is_a_warning() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in, |builder| builder);
    let compressed = || page_with(&[("content-encoding", "gzip")]);
    let app = || {
        App::new()
            .route("/", web::get().to(compressed))
            .wrap(mengpaneel.with_setup(user))
    };
    let messages = messages!(app(), ["/", "/none"]);
    assert_one(
        &messages,
        "WARN",
        &[
            "path=\"/\"",
            ".wrap(mengpaneel.with_setup",
            ".wrap(Compress::default())",
        ],
    );
}

#[actix_web::test]
async fn policy_that_stops_the_scripts_is_a_warning() {
    let stand_in = StandIn::start();
    for (name, value, parts) in [
        (
            "content-security-policy",
            "default-src 'self'",
            &[
                "default-src",
                "add a connect-src",
                "add a script-src",
                "'nonce-…'",
            ][..],
        ),
        (
            "content-security-policy",
            "script-src 'self'",
            &["add 'nonce-…'", "to script-src"],
        ),
        (
            "content-security-policy",
            "connect-src 'self'",
            &["to connect-src"],
        ),
        (
            "content-security-policy",
            "sandbox",
            &["allow-scripts and allow-same-origin"],
        ),
        (
            "cross-origin-embedder-policy",
            "require-corp",
            &["Cross-Origin-Embedder-Policy", "lib_url"],
        ),
        (
            "integrity-policy",
            "blocked-destinations=(script)",
            &["loader(Loader::Never)"],
        ),
    ] {
        let mengpaneel = build(&stand_in, |builder| builder);
        let page = move || async move { page_with(&[(name, value)]).await };
        let app = || {
            App::new()
                .route("/", web::get().to(page))
                .wrap(mengpaneel.with_setup(user))
        };
        assert_one(&messages!(app(), ["/"]), "WARN", parts);
    }
}

#[actix_web::test]
async fn policy_in_a_streamed_page_is_a_warning() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in, |builder| builder.inject_into_streams(true));
    let streamed = || async {
        mengpaneel::track("View", ());
        let parts = [
            "<!doctype html><head><meta http-equiv=content-security-policy content=\"script-src 'self'\">",
            "</head>",
        ];
        let parts = parts.map(|part| Ok::<_, actix_web::Error>(web::Bytes::from(part)));
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .streaming(futures_util::stream::iter(parts))
    };
    let app = || {
        App::new()
            .route("/", web::get().to(streamed))
            .wrap(mengpaneel.with_setup(user))
    };
    assert_one(
        &messages!(app(), ["/"]),
        "WARN",
        &["path=\"/\"", "to script-src"],
    );
}

#[actix_web::test]
async fn tracked_response_for_shared_caches_is_a_warning() {
    let stand_in = StandIn::start();
    for value in ["public, max-age=60", "s-maxage=60"] {
        let mengpaneel = build(&stand_in, |builder| builder);
        let page = move || async move { page_with(&[("cache-control", value)]).await };
        let app = || {
            App::new()
                .route("/", web::get().to(page))
                .wrap(mengpaneel.with_setup(user))
        };
        assert_one(
            &messages!(app(), ["/"]),
            "WARN",
            &["insert_header((\"Cache-Control\", \"private\"))"],
        );
    }
}

#[actix_web::test]
async fn response_for_shared_caches_that_tracks_nothing_is_correct() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in, |builder| builder);
    let page = || async {
        HttpResponse::Ok()
            .content_type("text/html")
            .insert_header(("cache-control", "public"))
            .body(PAGE)
    };
    let app = || {
        App::new()
            .route("/", web::get().to(page))
            .wrap(mengpaneel.with_setup(user))
    };
    assert_eq!(messages!(app(), ["/"]), Vec::<String>::new());
}

#[actix_web::test]
async fn consent_in_a_shared_response_is_a_warning() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in, |builder| builder);
    let agree = || async {
        mengpaneel::current().opt_in_tracking();
        HttpResponse::Ok()
            .insert_header(("cache-control", "public"))
            .json(())
    };
    let app = || {
        App::new()
            .route("/agree", web::get().to(agree))
            .wrap(mengpaneel.clone())
    };
    let messages = messages!(app(), ["/agree"]);
    let messages: Vec<_> = messages
        .into_iter()
        .filter(|message| message.contains("opt-in"))
        .collect();
    assert_one(
        &messages,
        "WARN",
        &["insert_header((\"Cache-Control\", \"no-store\"))"],
    );
}

#[actix_web::test]
async fn correct_applications_get_no_message() {
    let stand_in = StandIn::start();
    let build = || build(&stand_in, |builder| builder);
    let paths = ["/", "/go", "/scope/", "/none"];
    let one_wrap = build();
    let scope = || web::scope("/scope").configure(routes);
    let app = || {
        App::new()
            .service(scope().wrap(one_wrap.before(user)))
            .configure(routes)
    };
    let mut messages = messages!(app().wrap(one_wrap.with_setup(user)).wrap(session()), paths);
    let by_hand = build();
    let app = || {
        App::new()
            .configure(routes)
            .wrap(by_hand.before(user))
            .wrap(by_hand.clone())
    };
    messages.extend(messages!(app(), paths));
    let scoped = build();
    messages.extend(messages!(
        App::new().service(scope().wrap(scoped.with_setup(user))),
        paths
    ));
    let nested = build();
    let app = || {
        App::new()
            .service(scope().wrap(nested.with_setup(user)))
            .configure(routes)
    };
    messages.extend(messages!(app().wrap(nested.with_setup(user)), paths));
    let (product, marketing) = (build(), build_named(&stand_in));
    let app = || {
        App::new()
            .configure(routes)
            .wrap(product.with_setup(user))
            .wrap(marketing.with_setup(user))
    };
    messages.extend(messages!(app().wrap(session()), paths));
    let normalized = build();
    let app = || {
        App::new()
            .configure(routes)
            .wrap(NormalizePath::trim())
            .wrap(normalized.with_setup(user))
    };
    messages.extend(messages!(app().wrap(NormalizePath::trim()), paths));
    let conditional = build();
    let app = || {
        App::new()
            .configure(routes)
            .wrap(Condition::new(false, session()))
    };
    messages.extend(messages!(app().wrap(conditional.with_setup(user)), paths));
    let without_token = Mengpaneel::builder("").build().unwrap();
    messages.extend(messages!(
        App::new()
            .configure(routes)
            .wrap(without_token.with_setup(user)),
        paths
    ));
    assert_eq!(messages, Vec::<String>::new());
}

fn build_named(stand_in: &StandIn) -> Mengpaneel {
    build(stand_in, |builder| builder.name("marketing"))
}
