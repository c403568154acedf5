//! Errors of requests: JSON for programs, a page for people.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError};
use askama::Template;
use serde_json::json;
use thiserror::Error;

use crate::pages::{self, ResponseFormat};

/// Reason why a request failed. The message is shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BlogError {
    #[error("Enter a valid e-mail address.")]
    InvalidEmail,
    #[error("This e-mail address is already in use.")]
    DuplicateEmail,
    #[error("No user has this e-mail address.")]
    UnknownEmail,
    #[error("Enter a title.")]
    MissingTitle,
    #[error("Post not found.")]
    PostNotFound,
    #[error("Page not found.")]
    PageNotFound,
    #[error("Sign in to continue.")]
    NotSignedIn,
    #[error("Only the payment provider can report payments.")]
    NotPaymentProvider,
    #[error("Something went wrong on the server.")]
    Internal,
}

impl ResponseError for BlogError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::InvalidEmail | Self::DuplicateEmail | Self::MissingTitle => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::UnknownEmail | Self::NotSignedIn | Self::NotPaymentProvider => {
                StatusCode::UNAUTHORIZED
            }
            Self::PostNotFound | Self::PageNotFound => StatusCode::NOT_FOUND,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response =
            HttpResponse::build(self.status_code()).json(json!({"error": self.to_string()}));
        if *self == Self::NotPaymentProvider {
            let challenge = HeaderValue::from_static(r#"Basic realm="payments""#);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Responds to requests that match no route.
pub(crate) async fn page_not_found() -> Result<HttpResponse, BlogError> {
    Err(BlogError::PageNotFound)
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    error: BlogError,
}

/// Middleware that replaces the JSON of an error by a page, unless the client prefers JSON.
pub(crate) async fn render_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let format = ResponseFormat::preferred_by(&request);
    let response = next.call(request).await?;
    let error = response
        .response()
        .error()
        .and_then(Error::as_error::<BlogError>)
        .copied();
    match error {
        Some(error) if format == ResponseFormat::Html && error != BlogError::NotPaymentProvider => {
            let page = pages::render_with_status(error.status_code(), &ErrorPage { error })?;
            let (request, _) = response.into_parts();
            Ok(ServiceResponse::new(request, page).map_into_right_body())
        }
        _ => Ok(response.map_into_left_body()),
    }
}
