//! Responses that Mengpaneel cannot inject into or must not store, each with one warning.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, web};
use stand_in::StandIn;

use crate::{PAGE, assert_one, build, identify, page};

/// Returns a page with these headers.
async fn page_with(headers: &[(&'static str, &'static str)]) -> HttpResponse {
    let mut page = page().await;
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        page.headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    page
}

#[actix_web::test]
async fn page_compressed_inside_is_a_warning() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in, |builder| builder);
    let compressed = || page_with(&[("content-encoding", "gzip")]);
    let app = || {
        App::new()
            .route("/", web::get().to(compressed))
            .wrap(mengpaneel.with_setup(identify))
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
async fn policy_that_blocks_scripts_is_a_warning() {
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
                .wrap(mengpaneel.with_setup(identify))
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
            .wrap(mengpaneel.with_setup(identify))
    };
    assert_one(
        &messages!(app(), ["/"]),
        "WARN",
        &["path=\"/\"", "to script-src"],
    );
}

#[actix_web::test]
async fn cacheable_response_with_calls_is_a_warning() {
    let stand_in = StandIn::start();
    for value in ["public, max-age=60", "s-maxage=60"] {
        let mengpaneel = build(&stand_in, |builder| builder);
        let page = move || async move { page_with(&[("cache-control", value)]).await };
        let app = || {
            App::new()
                .route("/", web::get().to(page))
                .wrap(mengpaneel.with_setup(identify))
        };
        assert_one(
            &messages!(app(), ["/"]),
            "WARN",
            &["insert_header((\"Cache-Control\", \"private\"))"],
        );
    }
}

#[actix_web::test]
async fn cacheable_response_without_calls_is_no_warning() {
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
            .wrap(mengpaneel.with_setup(identify))
    };
    assert_eq!(messages!(app(), ["/"]), Vec::<String>::new());
}

#[actix_web::test]
async fn consent_in_a_cacheable_response_is_a_warning() {
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
