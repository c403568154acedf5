//! Who is signed in.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, post, route, web};
use askama::Template;
use serde::Deserialize;

use crate::db::{Db, User};
use crate::login::Login;
use crate::pages::{self, Frame, Wants};
use crate::problem::Problem;

/// The user who sent the request; as an `Option`, nobody for who is signed out.
pub(crate) struct CurrentUser(User);

impl CurrentUser {
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let db = request.app_data::<web::Data<Db>>();
        let user = db
            .zip(Login::of(request).user_id())
            .and_then(|(db, id)| db.user(id));
        user.map(Self).ok_or(Problem::SignedOut)
    }
}

impl Deref for CurrentUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl FromRequest for CurrentUser {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Who is signed in: the one place that tells Mixpanel about them.
#[mengpaneel::setup(
    when(let Some(user) = &user),
    identify(user.id),
    people.set(
        "ID" = user.id,
        "$email" = user.email,
        "$first_name" = user.first_name,
        "$last_name" = user.last_name,
        "$created" = user.created_at,
        "$last_login" = user.last_login,
    ),
)]
pub(crate) async fn signed_in(user: Option<CurrentUser>) {}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    email: String,
    #[serde(default)]
    return_to: String,
}

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    return_to: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    return_to: String,
}

#[route("/sign_in", method = "GET", method = "HEAD")]
pub(crate) async fn sign_in_page(
    frame: Frame,
    wish: web::Query<Wish>,
) -> Result<HttpResponse, Problem> {
    pages::ok(&SignIn {
        frame,
        return_to: wish.into_inner().return_to,
    })
}

#[mengpaneel::setup(identify(user.id))]
#[mengpaneel::track("Sign In")]
#[post("/session")]
pub(crate) async fn sign_in(
    credentials: web::Form<Credentials>,
    wants: Wants,
    login: Login,
    db: web::Data<Db>,
) -> Result<HttpResponse, Problem> {
    let user = db.sign_in(&credentials.email)?;
    let mut response = match wants {
        Wants::Json => HttpResponse::Ok().json(&user),
        Wants::Html => pages::see_other(on_this_site(&credentials.return_to).unwrap_or("/")),
    };
    login.sign_in(user.id, &mut response)?;
    Ok(response)
}

#[mengpaneel::track("Sign Out")]
#[delete("/session")]
pub(crate) async fn sign_out(login: Login) -> Result<HttpResponse, Problem> {
    signed_out(&login)
}

/// Sign-out for forms, which cannot send DELETE.
#[mengpaneel::track("Sign Out")]
#[post("/session/delete")]
pub(crate) async fn sign_out_by_form(login: Login) -> Result<HttpResponse, Problem> {
    signed_out(&login)
}

fn signed_out(login: &Login) -> Result<HttpResponse, Problem> {
    let mut response = pages::see_other("/");
    login.sign_out(&mut response)?;
    Ok(response)
}

/// The path, unless a browser would take it for an address elsewhere.
fn on_this_site(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let elsewhere =
        rest.starts_with(['/', '\\']) || path.contains(|c: char| c.is_control() || !c.is_ascii());
    (!elsewhere).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_returned_to() {
        for path in ["/", "/posts/1?a=b#c", "/a//b"] {
            assert_eq!(on_this_site(path), Some(path));
        }
        for path in [
            "",
            "posts",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil",
            "/\n",
        ] {
            assert_eq!(on_this_site(path), None, "{path}");
        }
    }
}
