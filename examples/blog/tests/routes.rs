//! Every route of the blog over HTTP, whatever is tracked.

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
async fn who_signs_up_is_signed_in_until_they_sign_out() {
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
async fn signing_in_goes_back_to_where_it_was_asked_but_never_elsewhere() {
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
async fn programs_get_users_as_json() {
    let visitor = Visitor::new();
    let form = [
        ("email", "ada@blog.example"),
        ("first_name", "Ada"),
        ("last_name", "L"),
    ];
    let user = json_of(visitor.post("/users", &form), StatusCode::CREATED).await;
    assert_eq!(user["id"], 1);
    assert_eq!(user["last_name"], "L");
    let taken = json_of(
        visitor.post("/users", &form),
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await;
    assert_eq!(
        taken,
        json!({"error": "Somebody has signed up with this e-mail address already."})
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
async fn people_get_problems_as_a_page() {
    let visitor = Visitor::new();
    let refused = visitor
        .post("/users", &[])
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = refused.text().await.unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("That is not an e-mail address."));
}

#[actix_web::test]
async fn posts_are_written_by_form_and_by_json_and_read_as_both() {
    let visitor = Visitor::new();
    let nobody = visitor
        .post("/posts", &[("title", "T")])
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    visitor.sign_up("ada@blog.example").await;
    let untitled = visitor
        .post("/posts", &[("title", " ")])
        .send()
        .await
        .unwrap();
    assert_eq!(untitled.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let written = visitor
        .post("/posts", &[("title", "<b>One</b>")])
        .send()
        .await
        .unwrap();
    assert_eq!(location(&written), "/posts/1");
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
async fn posts_are_exported_and_fed() {
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
    assert_eq!(feed.content_length(), None, "it is streamed");
    let feed = feed.text().await.unwrap();
    assert!(
        feed.starts_with("<!doctype html>")
            && feed.contains(">One<")
            && feed.ends_with("</html>\n")
    );
    assert!(visitor.page("/spa").await.contains("XMLHttpRequest"));
}

#[actix_web::test]
async fn only_the_provider_reports_payments() {
    let visitor = Visitor::new();
    let notice = [("status", "payment_complete"), ("payment_id", "1")];
    let stranger = visitor
        .post("/payments/notify", &notice)
        .send()
        .await
        .unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert!(stranger.headers().contains_key(WWW_AUTHENTICATE));
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
async fn a_stopped_blog_listens_no_more() {
    let visitor = Visitor::new();
    let url = visitor.blog.url();
    visitor.page("/").await;
    visitor.blog.stop();
    assert!(visitor.client.get(url).send().await.is_err());
}

#[actix_web::test]
async fn head_answers_as_get_without_a_body_and_tracks_nothing() {
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
async fn unknown_paths_are_explained_as_page_and_as_json() {
    let visitor = Visitor::new();
    let missing = visitor.get("/missing").send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(
        missing
            .text()
            .await
            .unwrap()
            .contains("<h1>There is no such page.</h1>")
    );
    let missing = json_of(
        visitor.client.get(visitor.blog.url() + "/missing"),
        StatusCode::NOT_FOUND,
    )
    .await;
    assert_eq!(missing, json!({"error": "There is no such page."}));
}

#[actix_web::test]
async fn home_page_says_what_it_shows_and_what_to_click() {
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
