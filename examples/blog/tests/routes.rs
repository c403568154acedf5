//! Routes of the blog over HTTP, regardless of tracking.

mod common;

use common::Visitor;
use reqwest::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

fn location(response: &Response) -> &str {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()[LOCATION].to_str().unwrap()
}

async fn json_of(request: RequestBuilder, status: StatusCode) -> Value {
    let response = request
        .header(ACCEPT, "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), status);
    response.json().await.unwrap()
}

#[actix_web::test]
async fn sign_up_signs_in_until_sign_out() {
    let visitor = Visitor::new();
    assert!(
        visitor
            .page("/sign_up")
            .await
            .contains(r#"action="/users""#)
    );
    assert!(!visitor.page("/").await.contains(r#"action="/users""#));
    assert_eq!(location(&visitor.sign_up("ada@blog.example").await), "/");
    assert!(visitor.page("/").await.contains("Ada"));
    let out = visitor.post("/session/delete", &[]).send().await.unwrap();
    assert_eq!(location(&out), "/");
    assert!(!visitor.page("/").await.contains("Ada"));
}

#[actix_web::test]
async fn sign_in_redirects_only_to_local_paths() {
    let visitor = Visitor::new();
    visitor.sign_up("ada@blog.example").await;
    let sign_in = async |return_to| {
        let form = [("email", "ada@blog.example"), ("return_to", return_to)];
        let response = visitor.post("/session", &form).send().await.unwrap();
        location(&response).to_owned()
    };
    assert_eq!(sign_in("/feed").await, "/feed");
    assert_eq!(sign_in("//evil.example").await, "/");
    assert_eq!(sign_in("").await, "/");
    assert!(
        visitor
            .page("/sign_in?return_to=/feed%22")
            .await
            .contains("value=\"/feed&#34;\"")
    );
    let deleted = visitor
        .client
        .delete(visitor.blog.url() + "/session")
        .send()
        .await
        .unwrap();
    assert_eq!(location(&deleted), "/");
}

#[actix_web::test]
async fn users_are_returned_as_json_on_request() {
    let visitor = Visitor::new();
    let form = [
        ("email", "ada@blog.example"),
        ("first_name", "Ada"),
        ("last_name", "L"),
    ];
    let user = json_of(visitor.post("/users", &form), StatusCode::CREATED).await;
    assert_eq!(user["id"], 1);
    assert_eq!(user["last_name"], "L");
    let duplicate = json_of(
        visitor.post("/users", &form),
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await;
    assert_eq!(
        duplicate,
        json!({"error": "This e-mail address is already in use."})
    );
    let signed_in = json_of(visitor.post("/session", &form[..1]), StatusCode::OK).await;
    assert_eq!(signed_in["id"], 1);
    json_of(
        visitor.post("/session", &[("email", "x@y.z")]),
        StatusCode::UNAUTHORIZED,
    )
    .await;
}

#[actix_web::test]
async fn errors_are_pages_for_browsers() {
    let visitor = Visitor::new();
    let rejected = visitor
        .post("/users", &[])
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(rejected.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = rejected.text().await.unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("Enter a valid e-mail address."));
}

#[actix_web::test]
async fn posts_accept_and_return_forms_html_and_json() {
    let visitor = Visitor::new();
    let signed_out = visitor
        .post("/posts", &[("title", "T")])
        .send()
        .await
        .unwrap();
    assert_eq!(signed_out.status(), StatusCode::UNAUTHORIZED);
    visitor.sign_up("ada@blog.example").await;
    let untitled = visitor
        .post("/posts", &[("title", " ")])
        .send()
        .await
        .unwrap();
    assert_eq!(untitled.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let by_form = visitor
        .post("/posts", &[("title", "<b>One</b>")])
        .send()
        .await
        .unwrap();
    assert_eq!(location(&by_form), "/posts/1");
    let by_json = visitor
        .client
        .post(visitor.blog.url() + "/posts")
        .json(&json!({"title": "Two", "body": "2"}));
    assert_eq!(json_of(by_json, StatusCode::CREATED).await["id"], 2);

    assert!(visitor.page("/posts/1").await.contains("&#60;b&#62;One"));
    let read = json_of(
        visitor.client.get(visitor.blog.url() + "/posts/2"),
        StatusCode::OK,
    )
    .await;
    assert_eq!(read["title"], "Two");
    for path in ["/posts/3", "/posts/0", "/posts/x"] {
        assert_eq!(
            visitor.get(path).send().await.unwrap().status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[actix_web::test]
async fn posts_are_exported_as_csv_and_streamed_as_feed() {
    let visitor = Visitor::new();
    visitor.sign_up("ada@blog.example").await;
    visitor
        .post("/posts", &[("title", "One")])
        .send()
        .await
        .unwrap();
    let export = visitor.get("/posts.csv").send().await.unwrap();
    assert_eq!(
        export.headers()[CONTENT_DISPOSITION],
        "attachment; filename=\"posts.csv\""
    );
    assert!(
        export
            .text()
            .await
            .unwrap()
            .contains("\"1\",\"One\",\"Ada\"")
    );
    let feed = visitor.get("/feed").send().await.unwrap();
    assert_eq!(feed.content_length(), None, "the response is streamed");
    let feed = feed.text().await.unwrap();
    assert!(
        feed.starts_with("<!doctype html>")
            && feed.contains(">One<")
            && feed.ends_with("</html>\n")
    );
    assert!(visitor.page("/spa").await.contains("XMLHttpRequest"));
}

#[actix_web::test]
async fn payments_require_the_providers_credentials() {
    let visitor = Visitor::new();
    let notice = [("status", "payment_complete"), ("payment_id", "1")];
    let without_credentials = visitor
        .post("/payments/notify", &notice)
        .send()
        .await
        .unwrap();
    assert_eq!(without_credentials.status(), StatusCode::UNAUTHORIZED);
    assert!(without_credentials.headers().contains_key(WWW_AUTHENTICATE));
    let provider = visitor
        .post("/payments/notify", &notice)
        .basic_auth("payments", Some("ftw"));
    let accepted = provider.send().await.unwrap();
    assert!(
        accepted.headers()[CONTENT_TYPE]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert_eq!(accepted.text().await.unwrap(), "[accepted]");
    let wrong = visitor
        .post("/payments/notify", &notice)
        .basic_auth("payments", Some("no"));
    assert_eq!(
        wrong.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[actix_web::test]
async fn stopped_blog_refuses_connections() {
    let visitor = Visitor::new();
    let url = visitor.blog.url();
    visitor.page("/").await;
    visitor.blog.stop();
    assert!(visitor.client.get(url).send().await.is_err());
}

#[actix_web::test]
async fn head_matches_get_without_body_or_tracking() {
    let visitor = Visitor::new();
    visitor.sign_up("ada@blog.example").await;
    visitor
        .post("/posts", &[("title", "First")])
        .send()
        .await
        .unwrap();
    visitor.page("/").await;
    let delivered = visitor.blog.stand_in().events().len();
    let page = visitor.page("/spa").await;
    let script = page
        .split("src=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    assert!(script.contains("mengpaneel"), "{script}");
    let pages = [
        "/",
        "/sign_up",
        "/sign_in",
        "/posts/1",
        "/posts.csv",
        "/feed",
        "/spa",
        "/plan",
        "/live",
        "/live.json",
    ];
    for path in pages
        .into_iter()
        .chain(["/plan.md", "/plan.json", "/posts/7", "/missing", script])
    {
        let url = visitor.blog.url() + path;
        let [head, get] = [
            visitor.client.head(&url),
            visitor.client.get(&url).header("dnt", "1"),
        ];
        let (head, get) = (head.send().await.unwrap(), get.send().await.unwrap());
        let heads =
            [&head, &get].map(|response| (response.status(), response.headers().get(CONTENT_TYPE)));
        assert_eq!(heads[0], heads[1], "{path}");
        assert_eq!(head.text().await.unwrap(), "", "{path}");
    }
    visitor
        .blog
        .mengpaneel()
        .flush(std::time::Duration::from_secs(30))
        .await
        .unwrap();
    assert_eq!(visitor.blog.stand_in().events().len(), delivered);
}

#[actix_web::test]
async fn unknown_paths_return_an_error_page_or_json() {
    let visitor = Visitor::new();
    let missing = visitor.get("/missing").send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(
        missing
            .text()
            .await
            .unwrap()
            .contains("<h1>Page not found.</h1>")
    );
    let missing = json_of(
        visitor.client.get(visitor.blog.url() + "/missing"),
        StatusCode::NOT_FOUND,
    )
    .await;
    assert_eq!(missing, json!({"error": "Page not found."}));
}

#[actix_web::test]
async fn home_page_has_its_headings_and_links() {
    let visitor = Visitor::new();
    let page = visitor.page("/").await;
    for part in [
        "<h2>Try it</h2>",
        "Events received",
        "Tracking plan",
        "href=\"/sign_up\"",
        "href=\"/spa\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
}
