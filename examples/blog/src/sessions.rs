//! Sign-in and sign-out.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, delete, post, route, web};
use askama::Template;
use serde::Deserialize;

use crate::db::{Db, User};
use crate::error::BlogError;
use crate::login::Login;
use crate::pages::{self, Layout, ResponseFormat};

/// Signed-in user. Handlers that also serve signed-out visitors extract an `Option`.
pub(crate) struct CurrentUser(User);

impl CurrentUser {
    /// Loads the user who sent `request`.
    ///
    /// # Errors
    ///
    /// [`BlogError::NotSignedIn`] if no known user is signed in.
    pub(crate) fn load(request: &HttpRequest) -> Result<Self, BlogError> {
        let db = request.app_data::<web::Data<Db>>();
        let user = db
            .zip(Login::new(request).user_id())
            .and_then(|(db, id)| db.user(id));
        user.map(Self).ok_or(BlogError::NotSignedIn)
    }
}

impl Deref for CurrentUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl FromRequest for CurrentUser {
    type Error = BlogError;
    type Future = Ready<Result<Self, BlogError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::load(request))
    }
}

/// Setup function: identifies the signed-in user and sets the properties of the profile.
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
struct SignInForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    return_to: String,
}

#[derive(Deserialize)]
struct SignInQuery {
    #[serde(default)]
    return_to: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    layout: Layout,
    return_to: String,
}

#[route("/sign_in", method = "GET", method = "HEAD")]
pub(crate) async fn sign_in_page(
    layout: Layout,
    query: web::Query<SignInQuery>,
) -> Result<HttpResponse, BlogError> {
    pages::render(&SignInPage {
        layout,
        return_to: query.into_inner().return_to,
    })
}

#[mengpaneel::setup(identify(user.id))]
#[mengpaneel::track("Sign In")]
#[post("/session")]
pub(crate) async fn sign_in(
    form: web::Form<SignInForm>,
    format: ResponseFormat,
    login: Login,
    db: web::Data<Db>,
) -> Result<HttpResponse, BlogError> {
    let user = db.sign_in(&form.email)?;
    let mut response = match format {
        ResponseFormat::Json => HttpResponse::Ok().json(&user),
        ResponseFormat::Html => pages::see_other(local_path(&form.return_to).unwrap_or("/")),
    };
    login.sign_in(user.id, &mut response)?;
    Ok(response)
}

#[mengpaneel::track("Sign Out")]
#[delete("/session")]
pub(crate) async fn sign_out(login: Login) -> Result<HttpResponse, BlogError> {
    sign_out_response(&login)
}

/// Signs out by form, because forms cannot send `DELETE`.
#[mengpaneel::track("Sign Out")]
#[post("/session/delete")]
pub(crate) async fn sign_out_by_form(login: Login) -> Result<HttpResponse, BlogError> {
    sign_out_response(&login)
}

fn sign_out_response(login: &Login) -> Result<HttpResponse, BlogError> {
    let mut response = pages::see_other("/");
    login.sign_out(&mut response)?;
    Ok(response)
}

/// Returns the path, unless a browser might resolve it to another site.
fn local_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let is_external =
        rest.starts_with(['/', '\\']) || path.contains(|c: char| c.is_control() || !c.is_ascii());
    (!is_external).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_to_accepts_only_local_paths() {
        for path in ["/", "/posts/1?a=b#c", "/a//b"] {
            assert_eq!(local_path(path), Some(path));
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
            assert_eq!(local_path(path), None, "{path}");
        }
    }
}
