//! Sign-in state of a browser: in its session, or in an encrypted cookie where there are no
//! sessions.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_session::SessionExt;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use crate::problem::Problem;

/// Key of the user's ID in a session.
const SESSION_KEY: &str = "user_id";

/// Cookie that holds the user's ID where there are no sessions.
const COOKIE_NAME: &str = "blog_user_id";

/// Storage of sign-in states, part of the application's data.
#[derive(Clone)]
pub(crate) enum LoginStorage {
    /// The session that a `SessionMiddleware` provides.
    Session,
    /// A cookie that is encrypted with this key.
    Cookie(Key),
}

/// Sign-in state of the browser that sent the request.
pub(crate) struct Login {
    request: HttpRequest,
    storage: LoginStorage,
}

impl Login {
    /// State of the sender of `request`.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let storage = request
            .app_data::<LoginStorage>()
            .cloned()
            .unwrap_or(LoginStorage::Session);
        Self {
            request: request.clone(),
            storage,
        }
    }

    /// ID of the user who is signed in.
    pub(crate) fn user_id(&self) -> Option<u64> {
        match &self.storage {
            LoginStorage::Session => self.request.get_session().get(SESSION_KEY).ok().flatten(),
            LoginStorage::Cookie(key) => {
                let mut jar = CookieJar::new();
                jar.add_original(self.request.cookie(COOKIE_NAME)?);
                jar.private(key).get(COOKIE_NAME)?.value().parse().ok()
            }
        }
    }

    /// Signs that user in, by a renewed session or by a cookie of the response.
    ///
    /// # Errors
    ///
    /// [`Problem::Broken`] where the state cannot be written.
    pub(crate) fn sign_in(&self, user_id: u64, response: &mut HttpResponse) -> Result<(), Problem> {
        match &self.storage {
            LoginStorage::Session => {
                let session = self.request.get_session();
                session.renew();
                session
                    .insert(SESSION_KEY, user_id)
                    .map_err(|_| Problem::Broken)
            }
            LoginStorage::Cookie(key) => {
                let mut jar = CookieJar::new();
                jar.private_mut(key).add(cookie(user_id.to_string()));
                jar.delta()
                    .try_for_each(|cookie| response.add_cookie(cookie))
                    .map_err(|_| Problem::Broken)
            }
        }
    }

    /// Signs out, by purging the session or by removing the cookie.
    ///
    /// # Errors
    ///
    /// As [`sign_in`](Self::sign_in).
    pub(crate) fn sign_out(&self, response: &mut HttpResponse) -> Result<(), Problem> {
        match &self.storage {
            LoginStorage::Session => {
                self.request.get_session().purge();
                Ok(())
            }
            LoginStorage::Cookie(_) => response
                .add_removal_cookie(&cookie(String::new()))
                .map_err(|_| Problem::Broken),
        }
    }
}

impl FromRequest for Login {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Cookie that no script reads, and that other sites' forms do not send along.
fn cookie(value: String) -> Cookie<'static> {
    Cookie::build(COOKIE_NAME, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish()
}
