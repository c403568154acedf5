//! Parts that all pages share: layout and response format. Also the home page.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, Accept, Header};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, route, web};
use askama::Template;

use crate::db::{Db, Post};
use crate::demo::Demo;
use crate::error::BlogError;
use crate::sessions::CurrentUser;

/// Number of posts on the home page.
const HOME_POSTS: usize = 20;

/// Format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseFormat {
    Html,
    Json,
}

impl ResponseFormat {
    /// Preferred format by `Accept`. If that header names neither format, the format of the
    /// request's body decides.
    pub(crate) fn preferred_by(message: &impl HttpMessage) -> Self {
        let accepted = Accept::parse(message)
            .map(|accept| accept.ranked())
            .unwrap_or_default();
        let by_accept = accepted.iter().find_map(|kind| match kind.essence_str() {
            "application/json" => Some(Self::Json),
            "text/html" => Some(Self::Html),
            _ => None,
        });
        let by_content_type = if message.content_type() == "application/json" {
            Self::Json
        } else {
            Self::Html
        };
        by_accept.unwrap_or(by_content_type)
    }
}

impl FromRequest for ResponseFormat {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::preferred_by(request)))
    }
}

/// True if a visitor sees the response: a `HEAD` request is not a page view.
pub(crate) struct IsPageView(pub(crate) bool);

impl FromRequest for IsPageView {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.method() != Method::HEAD)))
    }
}

/// Data of the layout around every page.
pub(crate) struct Layout {
    pub(crate) user: Option<CurrentUser>,
}

impl FromRequest for Layout {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            user: CurrentUser::load(request).ok(),
        }))
    }
}

/// Renders a page with that status.
pub(crate) fn render_with_status(
    status: StatusCode,
    page: &impl Template,
) -> Result<HttpResponse, BlogError> {
    let page = page.render().map_err(|_| BlogError::Internal)?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(page))
}

/// Renders a page with status 200.
pub(crate) fn render(page: &impl Template) -> Result<HttpResponse, BlogError> {
    render_with_status(StatusCode::OK, page)
}

/// Redirects the browser to `location`, with GET.
pub(crate) fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, location))
        .finish()
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    layout: Layout,
    demo: web::Data<Demo>,
    posts: Vec<Post>,
}

#[mengpaneel::track("View Home", when(page_view.0))]
#[route("/", method = "GET", method = "HEAD")]
pub(crate) async fn home(
    page_view: IsPageView,
    layout: Layout,
    demo: web::Data<Demo>,
    db: web::Data<Db>,
) -> Result<HttpResponse, BlogError> {
    render(&Home {
        layout,
        demo,
        posts: db.latest_posts(HOME_POSTS),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn preferred(accept: &str, content_type: &str) -> ResponseFormat {
        let request = TestRequest::default()
            .insert_header((header::ACCEPT, accept))
            .insert_header((header::CONTENT_TYPE, content_type));
        ResponseFormat::preferred_by(&request.to_http_request())
    }

    #[test]
    fn accept_decides_by_quality() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(preferred("application/json", form), ResponseFormat::Json);
        assert_eq!(
            preferred("application/json, text/javascript, */*; q=0.01", form),
            ResponseFormat::Json
        );
        assert_eq!(
            preferred("text/html,application/xhtml+xml,*/*;q=0.8", form),
            ResponseFormat::Html
        );
        assert_eq!(
            preferred("application/json;q=0.5, text/html", form),
            ResponseFormat::Html
        );
    }

    #[test]
    fn body_format_decides_without_accept() {
        assert_eq!(
            preferred("*/*", "application/x-www-form-urlencoded"),
            ResponseFormat::Html
        );
        assert_eq!(
            preferred("*/*", "application/json; charset=utf-8"),
            ResponseFormat::Json
        );
    }
}
