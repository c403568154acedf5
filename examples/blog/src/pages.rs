//! What all pages share: who is signed in, what the client wants, and the home page.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, Accept, Header};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, route, web};
use askama::Template;

use crate::db::{Db, Post};
use crate::demo::Demo;
use crate::problem::Problem;
use crate::sessions::CurrentUser;

/// How many posts the home page shows.
const SHOWN: usize = 20;

/// What the client wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Html,
    Json,
}

impl Wants {
    /// The better of the two by `Accept`; where that names neither, what was sent.
    pub(crate) fn of(message: &impl HttpMessage) -> Self {
        let accepted = Accept::parse(message)
            .map(|accept| accept.ranked())
            .unwrap_or_default();
        let named = accepted.iter().find_map(|kind| match kind.essence_str() {
            "application/json" => Some(Self::Json),
            "text/html" => Some(Self::Html),
            _ => None,
        });
        let sent = if message.content_type() == "application/json" {
            Self::Json
        } else {
            Self::Html
        };
        named.unwrap_or(sent)
    }
}

impl FromRequest for Wants {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// True if the answer is shown to somebody: `HEAD` asks for the head alone, and is no view.
pub(crate) struct IsShown(pub(crate) bool);

impl FromRequest for IsShown {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.method() != Method::HEAD)))
    }
}

/// What stands around every page.
pub(crate) struct Frame {
    pub(crate) user: Option<CurrentUser>,
}

impl FromRequest for Frame {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            user: CurrentUser::of(request).ok(),
        }))
    }
}

/// A page with that status.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Result<HttpResponse, Problem> {
    let page = page.render().map_err(|_| Problem::Broken)?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(page))
}

/// The page.
pub(crate) fn ok(page: &impl Template) -> Result<HttpResponse, Problem> {
    html(StatusCode::OK, page)
}

/// Sends the browser there, with GET.
pub(crate) fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .finish()
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    demo: web::Data<Demo>,
    posts: Vec<Post>,
}

#[mengpaneel::track("View Home", when(shown.0))]
#[route("/", method = "GET", method = "HEAD")]
pub(crate) async fn home(
    shown: IsShown,
    frame: Frame,
    demo: web::Data<Demo>,
    db: web::Data<Db>,
) -> Result<HttpResponse, Problem> {
    ok(&Home {
        frame,
        demo,
        posts: db.latest_posts(SHOWN),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn wants(accept: &str, content_type: &str) -> Wants {
        let request = TestRequest::default()
            .insert_header((header::ACCEPT, accept))
            .insert_header((header::CONTENT_TYPE, content_type));
        Wants::of(&request.to_http_request())
    }

    #[test]
    fn the_better_liked_kind_is_wanted() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(wants("application/json", form), Wants::Json);
        assert_eq!(
            wants("application/json, text/javascript, */*; q=0.01", form),
            Wants::Json
        );
        assert_eq!(
            wants("text/html,application/xhtml+xml,*/*;q=0.8", form),
            Wants::Html
        );
        assert_eq!(
            wants("application/json;q=0.5, text/html", form),
            Wants::Html
        );
    }

    #[test]
    fn who_takes_anything_gets_what_was_sent() {
        assert_eq!(
            wants("*/*", "application/x-www-form-urlencoded"),
            Wants::Html
        );
        assert_eq!(wants("*/*", "application/json; charset=utf-8"), Wants::Json);
    }
}
