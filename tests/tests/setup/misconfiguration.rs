//! Wrong set-ups, each of which logs one message with a remedy. Correct applications log none.

use actix_session::Session;
use actix_web::cookie::Key;
use actix_web::middleware::{Condition, NormalizePath};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use mengpaneel::{Builder, Mengpaneel};
use mengpaneel_tests::Log;
use stand_in::StandIn;

use crate::{assert_one, build, identify, routes, session};

#[actix_web::test]
async fn setup_function_outside_its_instance_is_an_error() {
    let stand_in = StandIn::start();
    for token in ["demo", ""] {
        let build = |options: fn(Builder) -> Builder| {
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

        let mengpaneel = build(|builder| builder);
        let outside = messages!(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.clone())
                .wrap(mengpaneel.before(identify)),
            ["/"]
        );
        assert_one(&outside, "ERROR", &lines);

        let mengpaneel = build(|builder| builder);
        let alone = messages!(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.before(identify)),
            ["/none"]
        );
        assert_one(&alone, "ERROR", &lines[2..]);

        let (mengpaneel, other) = (
            build(|builder| builder),
            build(|builder| builder.name("other")),
        );
        let in_another = messages!(
            App::new()
                .configure(routes)
                .wrap(mengpaneel.before(identify))
                .wrap(other.clone()),
            ["/"]
        );
        assert_one(&in_another, "ERROR", &lines);
    }
}

#[actix_web::test]
async fn two_instances_of_one_name_are_an_error() {
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
async fn session_inside_mengpaneel_is_a_warning() {
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
        ["/", "/redirect"]
    );
    assert_one(&one_wrap, "WARN", &lines);
    let mengpaneel = build(&stand_in, |builder| builder);
    let clone = messages!(
        App::new()
            .configure(routes)
            .wrap(session())
            .wrap(mengpaneel.clone()),
        ["/", "/redirect"]
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
        ["/", "/redirect"]
    );
    assert_eq!(
        inside,
        Vec::<String>::new(),
        "the function reads the session"
    );
}

#[actix_web::test]
async fn only_server_error_of_extractor_is_a_warning() {
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
async fn redirect_without_carrier_is_a_warning() {
    let stand_in = StandIn::start();
    for has_session in [false, true] {
        let mengpaneel = Mengpaneel::builder("demo")
            .api_host(stand_in.url())
            .build()
            .unwrap();
        let app = || {
            App::new()
                .configure(routes)
                .wrap(mengpaneel.with_setup(identify))
        };
        let messages = if has_session {
            messages!(app().wrap(session()), ["/", "/redirect"])
        } else {
            messages!(app(), ["/", "/redirect"])
        };
        assert_one(
            &messages,
            "WARN",
            &[
                "path=\"/redirect\"",
                "No session carries them",
                "Mengpaneel::builder(token).cookie_key(key)",
            ],
        );
    }
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
                .wrap(mengpaneel.with_setup(identify)),
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
async fn correct_applications_log_no_message() {
    let stand_in = StandIn::start();
    let build = || build(&stand_in, |builder| builder);
    let paths = ["/", "/redirect", "/scope/", "/none"];
    let one_wrap = build();
    let scope = || web::scope("/scope").configure(routes);
    let app = || {
        App::new()
            .service(scope().wrap(one_wrap.before(identify)))
            .configure(routes)
    };
    let mut messages = messages!(
        app().wrap(one_wrap.with_setup(identify)).wrap(session()),
        paths
    );
    let by_hand = build();
    let app = || {
        App::new()
            .configure(routes)
            .wrap(by_hand.before(identify))
            .wrap(by_hand.clone())
    };
    messages.extend(messages!(app(), paths));
    let scoped = build();
    messages.extend(messages!(
        App::new().service(scope().wrap(scoped.with_setup(identify))),
        paths
    ));
    let nested = build();
    let app = || {
        App::new()
            .service(scope().wrap(nested.with_setup(identify)))
            .configure(routes)
    };
    messages.extend(messages!(app().wrap(nested.with_setup(identify)), paths));
    let (product, marketing) = (build(), build_named(&stand_in));
    let app = || {
        App::new()
            .configure(routes)
            .wrap(product.with_setup(identify))
            .wrap(marketing.with_setup(identify))
    };
    messages.extend(messages!(app().wrap(session()), paths));
    let normalized = build();
    let app = || {
        App::new()
            .configure(routes)
            .wrap(NormalizePath::trim())
            .wrap(normalized.with_setup(identify))
    };
    messages.extend(messages!(app().wrap(NormalizePath::trim()), paths));
    let conditional = build();
    let app = || {
        App::new()
            .configure(routes)
            .wrap(Condition::new(false, session()))
    };
    messages.extend(messages!(
        app().wrap(conditional.with_setup(identify)),
        paths
    ));
    let without_token = Mengpaneel::builder("").build().unwrap();
    messages.extend(messages!(
        App::new()
            .configure(routes)
            .wrap(without_token.with_setup(identify)),
        paths
    ));
    assert_eq!(messages, Vec::<String>::new());
}

fn build_named(stand_in: &StandIn) -> Mengpaneel {
    build(stand_in, |builder| builder.name("marketing"))
}
