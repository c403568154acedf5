//! Server for browser tests of pages that the blog lacks: policies, streams, third-party libraries.
//!
//! `CDN` is the base URL of the libraries.

use std::convert::Infallible;
use std::io::Read as _;

use actix_web::cookie::Cookie;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, HeaderName,
    IF_MODIFIED_SINCE, LAST_MODIFIED, LOCATION,
};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use futures_util::{StreamExt as _, stream};
use mengpaneel_tests::TestApp;
use serde::Deserialize;

fn main() {
    let cdn = cdn();
    let app = TestApp::build(routes, |builder| {
        builder
            .lib_url(cdn + "/mixpanel.js")
            .inject_into_streams(true)
    });
    println!("mixpanel on {}", app.stand_in.url());
    println!("listening on {}", app.url);
    // The parent process closes standard input to stop the server.
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}

fn cdn() -> String {
    std::env::var("CDN").unwrap_or_default()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(policy)
        .service(installed)
        .service(worker)
        .service(library)
        .service(part)
        .service(moved)
        .service(streamed)
        .service(prerenders)
        .service(shown)
        .service(activated)
        .service(leaves)
        .service(comes_back)
        .service(restored)
        .service(kept)
        .service(file)
        .service(sign)
        .service(prefetches)
        .service(mengpaneel::script());
}

fn page(head: &str, body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><html><head>{head}</head><body>{body}</body></html>"
        ))
}

#[derive(Deserialize)]
struct Policies {
    policy: Option<String>,
    second: Option<String>,
    report_only: Option<String>,
    meta: Option<String>,
    embedder: Option<String>,
    isolation: Option<String>,
    integrity: Option<String>,
    /// Nonce of `mengpaneel.js`; empty: loaded without a nonce; absent: not loaded.
    script: Option<String>,
}

/// Page with the policies of the query.
#[mengpaneel::track("View Policy")]
#[get("/policy")]
async fn policy(query: web::Query<Policies>) -> HttpResponse {
    let query = query.into_inner();
    let mut head = query.meta.map_or_else(String::new, |policy| {
        format!(
            "<meta http-equiv=Content-Security-Policy content=\"{}\">",
            policy.replace('"', "&quot;")
        )
    });
    if let Some(nonce) = query.script {
        let script = mengpaneel::script();
        head.push_str(&if nonce.is_empty() {
            script.tag()
        } else {
            script.tag_with_nonce(&nonce)
        });
    }
    let mut page = page(&head, "");
    let policies = [
        (CONTENT_SECURITY_POLICY, query.policy),
        (CONTENT_SECURITY_POLICY, query.second),
        (CONTENT_SECURITY_POLICY_REPORT_ONLY, query.report_only),
        (
            HeaderName::from_static("cross-origin-embedder-policy"),
            query.embedder,
        ),
        (
            HeaderName::from_static("document-isolation-policy"),
            query.isolation,
        ),
        (HeaderName::from_static("integrity-policy"), query.integrity),
    ];
    for (name, value) in policies {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            page.headers_mut().append(name, value);
        }
    }
    page
}

/// Page of an installed web application, whose service worker forwards navigations.
#[mengpaneel::track("View Installed")]
#[get("/installed")]
async fn installed() -> HttpResponse {
    page(
        "<script>navigator.serviceWorker.register('/worker.js')</script>",
        "",
    )
}

/// Service worker of [`installed`].
#[get("/worker.js")]
async fn worker() -> HttpResponse {
    HttpResponse::Ok().content_type("text/javascript").body(
        "addEventListener('install', () => skipWaiting());\n\
         addEventListener('activate', (event) => event.waitUntil(clients.claim()));\n\
         addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));",
    )
}

/// Page with a library that fetches pages or parts of them.
#[mengpaneel::track("View Library", "Number" = number)]
#[get("/library/{name}/{number}")]
async fn library(path: web::Path<(String, u32)>) -> HttpResponse {
    let (name, number) = path.into_inner();
    let head = format!(
        "<script src=\"{}/{name}.js\" crossorigin></script>{}<title>{number}</title>",
        cdn(),
        mengpaneel::script().tag()
    );
    let body = format!(
        "<a href=/library/{name}/{}>next</a> <form action=/moved/{name} method=post><button>move</button></form>\
         <button id=part hx-post=/part hx-target=#here>part</button> \
         <a id=boosted hx-boost=true href=/library/{name}/{}>boosted</a> <p id=here></p>",
        number + 1,
        number + 1,
    );
    page(&head, &body)
}

/// Part of a page.
#[mengpaneel::track("Part")]
#[post("/part")]
async fn part() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body("<b>done</b>")
}

/// Redirect to a page.
#[mengpaneel::track("Moved")]
#[post("/moved/{name}")]
async fn moved(name: web::Path<String>) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, format!("/library/{name}/7")))
        .finish()
}

/// Streamed page that records an event in its body.
#[mengpaneel::track("View Stream")]
#[get("/streamed")]
async fn streamed() -> HttpResponse {
    let parts = [
        "<!doctype html><html><he",
        "ad><title>x</title></he",
        "ad><body>one ",
        "two</body></html>",
    ];
    let parts = stream::iter(parts).map(|piece| {
        if piece.starts_with("two") {
            mengpaneel::track("Late", ());
        }
        Ok::<_, Infallible>(web::Bytes::from_static(piece.as_bytes()))
    });
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .streaming(parts)
}

/// Page that prerenders another one, and navigates to it after seven seconds.
#[get("/prerenders")]
async fn prerenders() -> HttpResponse {
    let rules =
        r#"{"prerender": [{"source": "list", "urls": ["/shown"], "eagerness": "immediate"}]}"#;
    let head = format!("<script type=speculationrules>{rules}</script>");
    // Longer than the five seconds after which mixpanel-js sends a batch.
    page(
        &head,
        "<script>setTimeout(function () { location.href = '/shown'; }, 7000);</script>",
    )
}

#[mengpaneel::track("Shown")]
#[get("/shown")]
async fn shown() -> HttpResponse {
    page(
        "",
        "<script>if (document.prerendering) document.addEventListener('prerenderingchange', function () {
            fetch('/activated', {method: 'POST'});
        });</script>",
    )
}

#[derive(Deserialize)]
struct Back {
    /// Milliseconds until the next page goes back.
    after: u32,
}

/// Page that navigates to another one, which goes back. It reports being restored from the
/// back/forward cache.
#[mengpaneel::track("Leaves")]
#[get("/leaves")]
async fn leaves(back: web::Query<Back>) -> HttpResponse {
    let script = format!(
        "<script>
        addEventListener('pageshow', function (event) {{
            if (event.persisted) fetch('/restored', {{method: 'POST'}});
            else setTimeout(function () {{ location.href = '/comes_back?after={}'; }}, 2000);
        }});
        </script>",
        back.after
    );
    page("", &script)
}

#[mengpaneel::track("Comes Back")]
#[get("/comes_back")]
async fn comes_back(back: web::Query<Back>) -> HttpResponse {
    // If it goes back at once, mixpanel-js must not load: block scripts that scripts insert.
    let head = if back.after == 0 {
        "<script>Object.defineProperty(HTMLScriptElement.prototype, 'src', {set: function () {}});</script>"
    } else {
        ""
    };
    page(
        head,
        &format!(
            "<script>setTimeout(function () {{ history.back(); }}, {});</script>",
            back.after
        ),
    )
}

#[mengpaneel::track("Restored")]
#[post("/restored")]
async fn restored() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Identifies the user in the cookie, as applications do from their sessions.
#[mengpaneel::setup(when(let Some(user) = request.cookie("user")), identify(user.value()))]
fn identify(request: &HttpRequest) {}

/// Page that the browser may cache, and show without a request.
#[mengpaneel::track("View Kept")]
#[get("/kept/{number}")]
async fn kept(request: HttpRequest) -> HttpResponse {
    identify(&request);
    mengpaneel::register(serde_json::json!({"Kept": true}));
    mengpaneel::people().increment("Views", 1);
    let mut page = page("", "kept");
    page.headers_mut().insert(
        CACHE_CONTROL,
        actix_web::http::header::HeaderValue::from_static("private, max-age=600"),
    );
    page
}

/// Page that the browser may cache but must revalidate, as for static files.
#[get("/file")]
async fn file(request: HttpRequest) -> HttpResponse {
    identify(&request);
    mengpaneel::track("View File", ());
    if request.headers().contains_key(IF_MODIFIED_SINCE) {
        return HttpResponse::NotModified().finish();
    }
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((LAST_MODIFIED, "Tue, 15 Nov 1994 12:45:26 GMT"))
        .body("<!doctype html><html><head></head><body>file</body></html>")
}

/// Signs a user in; `nobody` signs out.
#[get("/sign/{user}")]
async fn sign(user: web::Path<String>) -> HttpResponse {
    let cookie = Cookie::build("user", user.clone()).path("/").finish();
    let mut page = page("", "signed");
    let result = if *user == "nobody" {
        mengpaneel::reset();
        page.add_removal_cookie(&cookie)
    } else {
        mengpaneel::setup(|mixpanel| mixpanel.identify(user.into_inner()));
        page.add_cookie(&cookie)
    };
    drop(result);
    page
}

/// Page without calls that prefetches another one.
#[get("/prefetches")]
async fn prefetches() -> HttpResponse {
    let rules =
        r#"{"prefetch": [{"source": "list", "urls": ["/kept/9"], "eagerness": "immediate"}]}"#;
    page(
        &format!("<script type=speculationrules>{rules}</script>"),
        "<a href=/kept/9>next</a>",
    )
}

#[mengpaneel::track("Activated")]
#[post("/activated")]
async fn activated() -> HttpResponse {
    HttpResponse::NoContent().finish()
}
