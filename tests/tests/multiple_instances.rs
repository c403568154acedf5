//! Two Mengpaneel instances in one app, for two Mixpanel projects.

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, get, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{TestClient, event_names, flush_and_collect};
use stand_in::StandIn;

#[get("/redirect")]
async fn redirect(request: HttpRequest, marketing: web::Data<Mengpaneel>) -> HttpResponse {
    mengpaneel::track("Product", ());
    marketing.for_request(&request).track("Marketing", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/page"))
        .finish()
}

#[get("/page")]
async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!doctype html><html><head></head><body></body></html>")
}

#[get("/json")]
async fn json(request: HttpRequest, marketing: web::Data<Mengpaneel>) -> HttpResponse {
    mengpaneel::track("Product", ());
    marketing.for_request(&request).track("Marketing", ());
    HttpResponse::Ok().json(())
}

#[tokio::test]
async fn instances_share_no_calls_cookies_or_headers() {
    let (first, second) = (StandIn::start(), StandIn::start());
    let product = Mengpaneel::builder("product")
        .api_host(first.url())
        .cookie_key(Key::from(&[7; 64]))
        .build()
        .unwrap();
    let marketing = Mengpaneel::builder("marketing")
        .api_host(second.url())
        .name("marketing");
    let marketing = marketing.cookie_key(Key::from(&[7; 64])).build().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let both = (product.clone(), marketing.clone());
    std::thread::spawn(move || {
        let key = Key::generate();
        let app = move || {
            let (product, marketing) = both.clone();
            let session = SessionMiddleware::builder(CookieSessionStore::default(), key.clone())
                .cookie_secure(false);
            App::new()
                .app_data(web::Data::new(marketing.clone()))
                .service(redirect)
                .service(page)
                .service(json)
                .wrap(product)
                .wrap(marketing)
                .wrap(session.build())
        };
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
            send.send(format!("http://{}", server.addrs()[0])).unwrap();
            server.run().await.unwrap();
        });
    });
    let mut visitor = TestClient::browser(receive.recv().unwrap());

    visitor.get("/redirect").send().await;
    let shown = visitor.get("/page").send().await;
    let mut calls = shown.call_summary();
    calls.sort();
    assert_eq!(calls, ["track Marketing", "track Product"]);
    assert!(shown.body.contains("mengpaneel_marketing"));

    let headers = [
        "x-mengpaneel-flush-capable",
        "x-mengpaneel-flush-capable-marketing",
    ];
    let mut request = visitor.request(reqwest::Method::GET, "/json");
    for header in headers {
        request = request.header(header, "true");
    }
    let response = request.send().await;
    assert!(
        response
            .header("x-mengpaneel-calls")
            .is_some_and(|calls| calls.contains("Product"))
    );
    assert!(
        response
            .header("x-mengpaneel-calls-marketing")
            .is_some_and(|calls| calls.contains("Marketing"))
    );

    visitor.request(reqwest::Method::GET, "/json").send().await;
    assert_eq!(
        event_names(&flush_and_collect(&product, &first).await),
        ["Product"]
    );
    assert_eq!(
        event_names(&flush_and_collect(&marketing, &second).await),
        ["Marketing"]
    );
}
