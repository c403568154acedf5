//! Signing up.

use actix_session::Session;
use actix_web::{HttpResponse, post, route, web};
use askama::Template;

use crate::db::{Db, NewUser};
use crate::pages::{self, Frame, Wants};
use crate::problem::Problem;
use crate::sessions;

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUp {
    frame: Frame,
}

#[route("/sign_up", method = "GET", method = "HEAD")]
pub(crate) async fn sign_up_page(frame: Frame) -> Result<HttpResponse, Problem> {
    pages::ok(&SignUp { frame })
}

#[mengpaneel::before_setup(alias(user.id))]
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
    wants: Wants,
    session: Session,
    db: web::Data<Db>,
) -> Result<HttpResponse, Problem> {
    let user = db.insert_user(form.into_inner())?;
    sessions::remember(&user, &session)?;
    Ok(match wants {
        Wants::Json => HttpResponse::Created().json(user),
        Wants::Html => pages::see_other("/"),
    })
}
