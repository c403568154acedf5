//! Code of the README, word for word, in an app that runs.
#![allow(
    clippy::unused_async,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the README's application is incomplete"
)]

use std::future::{Ready, ready};

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::dev::Payload;
use actix_web::web::{Either, Redirect};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, HttpServer, post, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{TestClient, event_names, flush_and_collect, summarize};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shown::signed_in;
use stand_in::StandIn;

#[derive(Clone, Deserialize, Serialize)]
struct CurrentUser {
    id: u64,
    email: String,
    first_name: String,
    created_at: String,
}

impl FromRequest for CurrentUser {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user = request.get_session().get("user").ok().flatten();
        ready(user.ok_or_else(|| actix_web::error::ErrorUnauthorized("not signed in")))
    }
}

#[derive(Clone, Serialize)]
struct Post {
    id: u64,
    title: String,
}

#[derive(Deserialize)]
struct NewPost {
    title: String,
}

#[derive(Deserialize)]
struct NewUser {
    email: String,
}

#[derive(Deserialize)]
struct Notice {
    status: String,
    payment_id: u64,
}

struct Payment {
    id: u64,
    user_id: u64,
    amount: f64,
}

struct Db;

impl Db {
    fn insert_post(&self, new: NewPost) -> actix_web::Result<Post> {
        Ok(Post {
            id: 1,
            title: new.title,
        })
    }

    fn insert_user(&self, new: NewUser) -> actix_web::Result<CurrentUser> {
        let created_at = "2014-05-06T07:08:09Z".into();
        Ok(CurrentUser {
            id: 42,
            email: new.email,
            first_name: "Ada".into(),
            created_at,
        })
    }

    fn mark_paid(&self, id: u64) -> actix_web::Result<Payment> {
        Ok(Payment {
            id,
            user_id: 42,
            amount: 12.5,
        })
    }
}

#[rustfmt::skip]
mod shown {
    use super::*;

    #[mengpaneel::setup(
        when(let Some(user) = &user),
        identify(user.id),
        people.set("$email" = user.email, "$first_name" = user.first_name, "$created" = user.created_at),
    )]
    pub(crate) async fn signed_in(user: Option<CurrentUser>) {}

    #[mengpaneel::track("Create Blog Post", "Title" = post.title)]
    #[post("/posts")]
    pub(crate) async fn create_post(form: web::Form<NewPost>, db: web::Data<Db>) -> actix_web::Result<Either<Redirect, web::Json<Post>>> {
        let post = db.insert_post(form.into_inner())?;      // `post.title` is captured here, right after `post` is bound
        Ok(Either::Left(Redirect::to(format!("/posts/{}", post.id)).see_other()))
    }

    #[mengpaneel::setup(identify(user.id))]                 // joins what the visitor did before with the user
    #[mengpaneel::track("Sign Up", "ID" = user.id, "Email" = user.email)]
    #[post("/users")]
    pub(crate) async fn sign_up(form: web::Form<NewUser>, session: Session, db: web::Data<Db>) -> actix_web::Result<Redirect> {
        let user = db.insert_user(form.into_inner())?;
        session.insert("user", &user)?;
        Ok(Redirect::to("/").see_other())
    }

    #[mengpaneel::tracking(track("Sign Out"), reset())]     // the browser forgets the user
    #[post("/session/delete")]
    pub(crate) async fn sign_out(session: Session) -> Redirect {
        session.purge();
        Redirect::to("/").see_other()
    }

    #[mengpaneel::setup(identify(payment.user_id))]         // the provider calls; the event is the payer's
    #[mengpaneel::track("Complete Payment", via(server), "Payment ID" = payment.id, "Amount" = payment.amount)]
    #[post("/payments/notify")]
    pub(crate) async fn payment_notification(form: web::Form<Notice>, db: web::Data<Db>) -> actix_web::Result<&'static str> {
        if form.status == "payment_complete" {
            let payment = db.mark_paid(form.payment_id)?;   // recorded only if `payment` is bound
        }
        Ok("[accepted]")
    }

    pub(crate) fn by_hand(id: u64) {
        mengpaneel::track("Sign In", ());
        mengpaneel::people().increment("Posts", 1);
        mengpaneel::setup(|mixpanel| mixpanel.identify(id));
    }
}

async fn home() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!doctype html><html><head></head><body>home</body></html>")
}

/// Serves the README's app until the test ends.
fn serve(stand_in: &StandIn) -> (String, Mengpaneel) {
    let key = Key::generate();
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .cookie_key(key.clone())
        .build()
        .unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let shared = mengpaneel.clone();
    std::thread::spawn(move || {
        let app = move || {
            let (mengpaneel, key) = (shared.clone(), key.clone());
            let session =
                SessionMiddleware::builder(CookieSessionStore::default(), key).cookie_secure(false);
            App::new()
                .app_data(web::Data::new(Db))
                .route("/", web::get().to(home))
                .service(shown::create_post)
                .service(shown::sign_up)
                .service(shown::sign_out)
                .service(shown::payment_notification)
                .wrap(mengpaneel.with_setup(signed_in))
                .wrap(session.build())
        };
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
            send.send(format!("http://{}", server.addrs()[0])).unwrap();
            server.run().await.unwrap();
        });
    });
    (receive.recv().unwrap(), mengpaneel)
}

#[tokio::test]
async fn readme_app_tracks_sign_up_post_sign_out_and_payment() {
    let stand_in = StandIn::start();
    let (url, mengpaneel) = serve(&stand_in);
    let mut ada = TestClient::browser(&url);
    ada.post("/users", &[("email", "ada@blog.example")])
        .send()
        .await;
    let page = ada.get("/").send().await;
    assert_eq!(
        page.call_summary(),
        ["identify 42", "people.set", "track Sign Up"]
    );

    ada.post("/posts", &[("title", "Hello")]).send().await;
    let page = ada.get("/").send().await;
    assert_eq!(
        page.call_summary(),
        ["identify 42", "people.set", "track Create Blog Post"]
    );
    assert_eq!(
        page.property("Create Blog Post", "Title"),
        Some(json!("Hello"))
    );

    ada.post("/session/delete", &[]).send().await;
    let page = ada.get("/").send().await;
    assert_eq!(page.call_summary(), ["track Sign Out", "reset"]);
    assert_eq!(page.property("Sign Out", "$user_id"), Some(json!("42")));

    let mut provider = TestClient::machine(&url);
    provider
        .post(
            "/payments/notify",
            &[("status", "payment_complete"), ("payment_id", "3")],
        )
        .send()
        .await;
    let arrived = flush_and_collect(&mengpaneel, &stand_in).await;
    assert_eq!(event_names(&arrived), ["Complete Payment"]);
    assert_eq!(arrived[0].distinct_id(), Some("42"));
}

#[test]
fn readme_functions_record_calls() {
    let ((), calls) = mengpaneel::testing::record(|| shown::by_hand(42));
    let calls: Vec<_> = calls.iter().cloned().collect();
    assert_eq!(
        summarize(&calls),
        ["identify 42", "track Sign In", "people.increment"]
    );
}

/// Returns the lines of code without indentation, and without visibility, which only tests need.
fn lines(code: &str) -> Vec<String> {
    let lines = code.lines().map(|line| {
        let line = line.trim();
        let private = line
            .strip_prefix("pub(crate) ")
            .or_else(|| line.strip_prefix("pub "));
        private.unwrap_or(line).to_owned()
    });
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn readme_code_is_part_of_a_test_or_the_blog() {
    let readme = include_str!("../../README.md");
    let tested = [
        include_str!("readme.rs"),
        include_str!("../../examples/blog/src/app.rs"),
    ];
    let tested: Vec<String> = tested.into_iter().flat_map(lines).collect();
    let blocks: Vec<&str> = readme
        .split("```rust")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 4, "a block was added: test its code here");
    // The first block is a program, which `tests/outside` runs.
    for line in blocks.into_iter().skip(1).flat_map(lines) {
        assert!(tested.contains(&line), "not tested: {line}");
    }
}

#[test]
fn readme_and_crate_docs_begin_alike() {
    let paragraph = |text: &str| {
        text.split("\n\n")
            .next()
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let readme = include_str!("../../README.md")
        .split_once("# mengpaneel")
        .unwrap()
        .1
        .trim_start();
    let readme = paragraph(readme).replace("[Actix Web](https://actix.rs)", "Actix Web");
    let documentation = include_str!("../../mengpaneel/src/lib.rs")
        .lines()
        .map_while(|line| line.strip_prefix("//!"));
    let documentation: Vec<_> = documentation.map(str::trim).collect();
    assert_eq!(readme, paragraph(&documentation.join("\n")));
}
