//! What a request can do wrong: JSON for programs, a page for people.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError};
use askama::Template;
use serde_json::json;
use thiserror::Error;

use crate::pages::{self, Wants};

/// Why a request is not answered as its sender hoped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Problem {
    #[error("That is not an e-mail address.")]
    BadEmail,
    #[error("Somebody has signed up with this e-mail address already.")]
    TakenEmail,
    #[error("Nobody has signed up with this e-mail address.")]
    UnknownEmail,
    #[error("A post needs a title.")]
    NoTitle,
    #[error("There is no such post.")]
    NoSuchPost,
    #[error("There is no such page.")]
    NoSuchPage,
    #[error("Please sign in first.")]
    SignedOut,
    #[error("Only the payment provider may report payments.")]
    NotTheProvider,
    #[error("This page could not be written.")]
    Broken,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadEmail | Self::TakenEmail | Self::NoTitle => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UnknownEmail | Self::SignedOut | Self::NotTheProvider => StatusCode::UNAUTHORIZED,
            Self::NoSuchPost | Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response =
            HttpResponse::build(self.status_code()).json(json!({"error": self.to_string()}));
        if *self == Self::NotTheProvider {
            let asked = HeaderValue::from_static(r#"Basic realm="payments""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, asked);
        }
        response
    }
}

/// Answers requests that no route takes.
pub(crate) async fn no_such_page() -> Result<HttpResponse, Problem> {
    Err(Problem::NoSuchPage)
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    problem: Problem,
}

/// Middleware that writes a page in the place of a problem's JSON, unless JSON is wanted.
pub(crate) async fn explain(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let wants = Wants::of(&request);
    let response = next.call(request).await?;
    let problem = response
        .response()
        .error()
        .and_then(Error::as_error::<Problem>)
        .copied();
    match problem {
        Some(problem) if wants == Wants::Html && problem != Problem::NotTheProvider => {
            let page = pages::html(problem.status_code(), &ProblemPage { problem })?;
            let (request, _) = response.into_parts();
            Ok(ServiceResponse::new(request, page).map_into_right_body())
        }
        _ => Ok(response.map_into_left_body()),
    }
}
