//! What happens to calls when the request does not end well, or Mixpanel is away.

use std::time::Duration;

use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::{Error, HttpResponse, error, get, web};
use mengpaneel_tests::{
    TIMEOUT, TestApp, TestClient, TestResponse, counted_event_names, event_names,
};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[mengpaneel::track("By Attribute")]
#[get("/unprocessable")]
async fn unprocessable() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    HttpResponse::UnprocessableEntity().finish()
}

#[mengpaneel::track("By Attribute")]
#[get("/err")]
async fn err() -> Result<HttpResponse, Error> {
    mengpaneel::track("By Hand", ());
    Err(error::ErrorInternalServerError("broken"))
}

#[mengpaneel::track("By Attribute")]
#[get("/panic")]
async fn panics() -> HttpResponse {
    mengpaneel::track("By Hand", ());
    panic!("on purpose")
}

/// Redirects so often as it is told, tracking each time.
#[get("/chain/{left}")]
async fn chain(left: web::Path<u32>) -> HttpResponse {
    mengpaneel::setup(|mixpanel| mixpanel.identify(1));
    mengpaneel::track("Hop", json!({"Left": *left}));
    match *left {
        0 => page(),
        left => HttpResponse::Found()
            .insert_header(("location", format!("/chain/{}", left - 1)))
            .finish(),
    }
}

#[get("/go")]
async fn go() -> HttpResponse {
    mengpaneel::track("Went", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/page"))
        .finish()
}

#[get("/page")]
async fn shown() -> HttpResponse {
    page()
}

fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!doctype html><html><head></head><body>page</body></html>")
}

/// Never answers: who asks hangs up.
#[get("/hang")]
async fn hang() -> HttpResponse {
    mengpaneel::track("Before Hanging", ());
    std::future::pending().await
}

#[get("/inner")]
async fn inner() -> HttpResponse {
    mengpaneel::track("Inner", ());
    page()
}

#[mengpaneel::setup(identify("payer"))]
#[mengpaneel::track("Paid", via(server))]
#[get("/both")]
async fn both() -> HttpResponse {
    mengpaneel::track("Seen", ());
    mengpaneel::current()
        .via_server()
        .people()
        .increment("Payments", 1);
    page()
}

#[get("/favicon.ico")]
async fn favicon() -> HttpResponse {
    HttpResponse::Ok().content_type("image/x-icon").body("icon")
}

#[get("/poll")]
async fn poll() -> HttpResponse {
    HttpResponse::Ok().json(json!({"news": 0}))
}

const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "line\u{2028}and\u{2029}paragraph",
    "emoji 🦀 and ünïcode",
    "\"quotes\" 'and' \\backslashes\\",
    "]]>&lt;&amp;",
];

#[get("/hostile")]
async fn hostile() -> HttpResponse {
    for text in HOSTILE {
        mengpaneel::track(text, json!({text: text}));
    }
    page()
}

#[get("/hostile.json")]
async fn hostile_json() -> HttpResponse {
    for text in HOSTILE {
        mengpaneel::track(text, json!({text: text}));
    }
    HttpResponse::Ok().json(())
}

#[get("/forced")]
async fn forced(mixpanel: mengpaneel::Mixpanel) -> HttpResponse {
    mixpanel.force(mengpaneel::Strategy::ServerSide);
    mixpanel.track("Forced", ());
    page()
}

#[get("/spawned")]
async fn spawned(mixpanel: mengpaneel::Mixpanel) -> HttpResponse {
    mixpanel.setup(|setup| setup.identify(5));
    let (answered, answer) = tokio::sync::oneshot::channel::<()>();
    actix_web::rt::spawn(mixpanel.scope(async move {
        // The sender goes with the response's body, so this is after it.
        drop(answer.await);
        mengpaneel::track("Afterwards", ());
    }));
    let body = futures_util::stream::once(async move {
        drop(answered);
        Ok::<_, Error>(web::Bytes::from_static(b"done"))
    });
    HttpResponse::Ok()
        .content_type("text/plain")
        .streaming(Box::pin(body))
}

fn routes(config: &mut web::ServiceConfig) {
    let failing = web::scope("/failing")
        .service(inner)
        .wrap_fn(|request, service| {
            let answer = service.call(request);
            async move {
                let answer: Result<ServiceResponse, Error> = answer.await;
                answer.and_then(|_| {
                    Err::<ServiceResponse, _>(error::ErrorBadGateway("the middleware inside fails"))
                })
            }
        });
    config
        .service(failing)
        .service(unprocessable)
        .service(err)
        .service(panics)
        .service(chain)
        .service(go)
        .service(shown)
        .service(hang)
        .service(both)
        .service(favicon)
        .service(poll)
        .service(hostile)
        .service(hostile_json)
        .service(forced)
        .service(spawned);
}

#[tokio::test]
async fn what_fails_does_not_send_its_success_and_does_send_what_was_tracked_by_hand() {
    for (path, status) in [
        ("/unprocessable", Some(422)),
        ("/err", Some(500)),
        ("/panic", None),
    ] {
        let app = TestApp::start(routes);
        let answer = TestClient::browser(&app.url).get(path).try_send().await;
        assert_eq!(answer.ok().map(|page| page.status), status, "{path}");
        app.stand_in
            .wait_for_event(TIMEOUT, "By Hand")
            .await
            .unwrap();
        let arrived = app.flush_and_collect().await;
        assert_eq!(event_names(&arrived), ["By Hand"], "{path}");
    }
}

#[tokio::test]
async fn a_chain_of_redirects_delivers_every_event_once_and_one_setup() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let last = visitor.visit("/chain/3").await;
    let setups = last
        .call_summary()
        .iter()
        .filter(|said| *said == "identify 1")
        .count();
    assert_eq!(setups, 1);
    let left: Vec<_> = last
        .calls()
        .iter()
        .filter_map(|call| call.properties()?.get("Left").cloned())
        .collect();
    assert_eq!(left, [json!(3), json!(2), json!(1), json!(0)]);
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn while_mixpanel_is_down_pages_answer_and_what_waits_is_delivered_when_it_is_back() {
    let app = TestApp::start(routes);
    app.stand_in.stall();
    let mut visitor = TestClient::browser(&app.url);
    for _ in 0..20 {
        let answered = tokio::time::timeout(
            Duration::from_secs(5),
            visitor.get("/unprocessable").try_send(),
        )
        .await;
        assert_eq!(answered.expect("it answers at once").unwrap().status, 422);
    }
    app.stand_in.close_connections();
    visitor.get("/unprocessable").send().await;
    app.stand_in.recover();
    app.stand_in
        .wait_for(TIMEOUT, |store| (store.counted().len() == 21).then_some(()))
        .await
        .unwrap();
    assert_eq!(app.flush_and_collect().await.len(), 21);
}

#[tokio::test]
async fn what_waits_is_sent_at_shutdown() {
    let app = TestApp::start(routes);
    app.stand_in.fail_next(1, 503);
    TestClient::browser(&app.url)
        .get("/unprocessable")
        .send()
        .await;
    app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(event_names(&app.stand_in.counted()), ["By Hand"]);
}

/// Asks as a browser would, and cuts the connection hard once the handler is at work.
async fn hang_up(app: &TestApp, visitor: &TestClient, path: &str) {
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let cookies: Vec<_> = visitor
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let cookies = cookies.join("; ");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\nCookie: {cookies}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The one thread answers in order: once this is answered, the handler before it waits.
    TestClient::machine(&app.url)
        .get("/favicon.ico")
        .send()
        .await;
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[tokio::test]
async fn who_hangs_up_loses_nothing_and_what_was_replayed_comes_once_later() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/go").send().await;
    hang_up(&app, &visitor, "/hang").await;
    app.stand_in
        .wait_for_event(TIMEOUT, "Before Hanging")
        .await
        .unwrap();
    let page = visitor.get("/page").send().await;
    assert_eq!(page.call_summary(), ["track Went"]);
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        Vec::<String>::new()
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        ["Before Hanging"]
    );
}

#[tokio::test]
async fn a_middleware_inside_that_fails_loses_nothing_and_what_was_replayed_comes_once_later() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/go").send().await;
    assert_eq!(visitor.get("/failing/inner").send().await.status, 502);
    app.stand_in.wait_for_event(TIMEOUT, "Inner").await.unwrap();
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        ["track Went"]
    );
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        Vec::<String>::new()
    );
    assert_eq!(event_names(&app.flush_and_collect().await), ["Inner"]);
}

#[tokio::test]
async fn a_handler_that_panics_leaves_what_was_replayed_for_later() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/go").send().await;
    assert!(visitor.get("/panic").try_send().await.is_err());
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        ["track Went"]
    );
}

#[tokio::test]
async fn calls_for_the_server_beside_calls_for_the_browser_leave_once_each() {
    let app = TestApp::start(routes);
    let page = TestClient::browser(&app.url).get("/both").send().await;
    assert_eq!(page.call_summary(), ["identify payer", "track Seen"]);
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["Paid"]);
    assert_eq!(arrived[0].distinct_id(), Some("payer"));
    assert_eq!(app.stand_in.profile("payer").unwrap()["Payments"], json!(1));
    assert_eq!(app.stand_in.profiles().len(), 1);
}

type Headers = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn what_shows_no_page_leaves_the_delayed_calls_alone() {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    visitor.get("/go").send().await;
    let before = visitor.cookies.clone();
    let get = reqwest::Method::GET;
    let asks: [(&str, reqwest::Method, Headers); 6] = [
        (
            "/favicon.ico",
            get.clone(),
            &[
                ("accept", "image/avif,image/webp,*/*"),
                ("sec-fetch-mode", "no-cors"),
            ],
        ),
        (
            "/poll",
            get.clone(),
            &[
                ("accept", "application/json"),
                ("sec-fetch-mode", "cors"),
                ("sec-fetch-dest", "empty"),
            ],
        ),
        (
            "/poll",
            get.clone(),
            &[
                ("x-requested-with", "XMLHttpRequest"),
                ("accept", "text/html, */*"),
            ],
        ),
        (
            "/page",
            reqwest::Method::HEAD,
            &[("accept", "text/html"), ("sec-fetch-mode", "navigate")],
        ),
        (
            "/page",
            get.clone(),
            &[
                ("accept", "text/html"),
                ("sec-fetch-mode", "navigate"),
                ("sec-purpose", "prefetch"),
            ],
        ),
        ("/poll", get, &[]),
    ];
    for (path, method, headers) in asks {
        let mut ask = visitor.request(method, path);
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let answer = ask.send().await;
        assert_eq!(answer.header("set-cookie"), None, "{path} {headers:?}");
    }
    assert_eq!(visitor.cookies, before);
    assert_eq!(
        visitor.get("/page").send().await.call_summary(),
        ["track Went"]
    );
}

/// Every property value of the hostile events, as calls carry them.
fn values(page: &TestResponse) -> Vec<String> {
    let calls = page.calls();
    let texts = calls
        .iter()
        .zip(HOSTILE)
        .filter_map(|(call, text)| call.properties()?.get(text)?.as_str().map(str::to_owned));
    texts.collect()
}

#[tokio::test]
async fn whatever_a_property_holds_is_harmless_in_the_page_ascii_in_the_header_and_exact_at_mixpanel()
 {
    let app = TestApp::start(routes);
    let mut visitor = TestClient::browser(&app.url);
    let page = visitor.get("/hostile").send().await;
    assert_eq!(page.body.matches("<script").count(), 1);
    assert_eq!(page.body.matches("</script").count(), 1);
    assert!(!page.body.contains("<!--") && !page.body.contains('\u{2028}'));
    assert_eq!(values(&page), HOSTILE);

    let by_header = visitor
        .request(reqwest::Method::GET, "/hostile.json")
        .capable()
        .send()
        .await;
    assert!(by_header.header("x-mengpaneel-calls").unwrap().is_ascii());
    assert_eq!(values(&by_header), HOSTILE);

    visitor
        .request(reqwest::Method::GET, "/hostile.json")
        .send()
        .await;
    let arrived = app.flush_and_collect().await;
    for (event, text) in arrived.iter().zip(HOSTILE) {
        assert_eq!((event.event(), event.property(text)), (text, &json!(text)));
    }
    assert_eq!(arrived.len(), HOSTILE.len());
}

#[tokio::test]
async fn a_request_can_force_the_server_and_has_arrived_when_it_is_answered() {
    let app = TestApp::start(routes);
    let page = TestClient::browser(&app.url).get("/forced").send().await;
    assert_eq!(page.call_summary(), Vec::<String>::new());
    assert!(
        page.body.contains("window.mixpanel=[]"),
        "the loader stands on the page all the same"
    );
    assert_eq!(event_names(&app.stand_in.counted()), ["Forced"]);
}

#[tokio::test]
async fn without_an_outbox_the_server_has_delivered_when_it_answers() {
    let app = TestApp::build(routes, mengpaneel::Builder::no_outbox);
    let answer = TestClient::machine(&app.url)
        .get("/unprocessable")
        .send()
        .await;
    assert_eq!(
        counted_event_names(&[&answer], &app.stand_in.counted()),
        ["By Hand"]
    );
}

#[tokio::test]
async fn what_is_recorded_after_the_response_goes_by_the_server_as_its_requests_own() {
    let app = TestApp::start(routes);
    TestClient::browser(&app.url).get("/spawned").send().await;
    let event = app
        .stand_in
        .wait_for_event(TIMEOUT, "Afterwards")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("5"));
}

#[tokio::test]
async fn what_cannot_be_delivered_is_told_with_its_calls() {
    let (send, mut told) = tokio::sync::mpsc::unbounded_channel();
    let app = TestApp::build(routes, move |builder| {
        builder.on_error(move |failure| drop(send.send(failure.clone())))
    });
    app.stand_in.refuse(|_| true);
    TestClient::machine(&app.url)
        .get("/unprocessable")
        .send()
        .await;
    let failure = tokio::time::timeout(TIMEOUT, told.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(failure.calls[0].str_arg(0), Some("By Hand"));
    assert!(
        matches!(failure.reason, mengpaneel::Reason::Refused(_)),
        "{failure}"
    );
}
