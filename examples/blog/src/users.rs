//! Sign-up.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, post, route, web};
use askama::Template;

use crate::config::Identity;
use crate::db::{Db, NewUser};
use crate::error::BlogError;
use crate::login::Login;
use crate::pages::{self, Layout, ResponseFormat};

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    layout: Layout,
}

#[route("/sign_up", method = "GET", method = "HEAD")]
pub(crate) async fn sign_up_page(layout: Layout) -> Result<HttpResponse, BlogError> {
    pages::render(&SignUpPage { layout })
}

/// True for Mixpanel projects with legacy identity management, which need `alias` at sign-up.
pub(crate) struct NeedsAlias(bool);

impl FromRequest for NeedsAlias {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.app_data() == Some(&Identity::Legacy))))
    }
}

#[mengpaneel::before_setup(when(needs_alias.0), alias(user.id))]
#[mengpaneel::setup(identify(user.id))]
#[mengpaneel::track(
    "Sign Up",
    "ID" = user.id,
    "Email" = user.email,
    "First name" = user.first_name,
    "Last name" = user.last_name,
)]
#[post("/users")]
pub(crate) async fn sign_up(
    form: web::Form<NewUser>,
    format: ResponseFormat,
    login: Login,
    needs_alias: NeedsAlias,
    db: web::Data<Db>,
) -> Result<HttpResponse, BlogError> {
    let user = db.insert_user(form.into_inner())?;
    let mut response = match format {
        ResponseFormat::Json => HttpResponse::Created().json(&user),
        ResponseFormat::Html => pages::see_other("/"),
    };
    login.sign_in(user.id, &mut response)?;
    Ok(response)
}
