//! Sign-in state of a browser, stored in its session or, without sessions, in an encrypted cookie.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_session::SessionExt;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse};

use crate::error::BlogError;

/// Key of the user's ID in a session.
const SESSION_KEY: &str = "user_id";

/// Cookie that holds the user's ID if there are no sessions.
const COOKIE_NAME: &str = "blog_user_id";

/// Storage of sign-in states. Part of the application's data.
#[derive(Clone)]
pub(crate) enum LoginStorage {
    /// Session of a `SessionMiddleware`.
    Session,
    /// Cookie, encrypted with this key.
    Cookie(Key),
}

/// Sign-in state of the browser that sent the request.
pub(crate) struct Login {
    request: HttpRequest,
    storage: LoginStorage,
}

impl Login {
    /// Reads the sign-in state lazily from `request`.
    pub(crate) fn new(request: &HttpRequest) -> Self {
        let storage = request
            .app_data::<LoginStorage>()
            .cloned()
            .unwrap_or(LoginStorage::Session);
        Self {
            request: request.clone(),
            storage,
        }
    }

    /// ID of the signed-in user.
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

    /// Signs a user in: renews the session, or sets a cookie on the response.
    ///
    /// # Errors
    ///
    /// [`BlogError::Internal`] if the state cannot be stored.
    pub(crate) fn sign_in(
        &self,
        user_id: u64,
        response: &mut HttpResponse,
    ) -> Result<(), BlogError> {
        match &self.storage {
            LoginStorage::Session => {
                let session = self.request.get_session();
                session.renew();
                session
                    .insert(SESSION_KEY, user_id)
                    .map_err(|_| BlogError::Internal)
            }
            LoginStorage::Cookie(key) => {
                let mut jar = CookieJar::new();
                jar.private_mut(key).add(cookie(user_id.to_string()));
                jar.delta()
                    .try_for_each(|cookie| response.add_cookie(cookie))
                    .map_err(|_| BlogError::Internal)
            }
        }
    }

    /// Signs the user out: purges the session, or removes the cookie.
    ///
    /// # Errors
    ///
    /// As [`sign_in`](Self::sign_in).
    pub(crate) fn sign_out(&self, response: &mut HttpResponse) -> Result<(), BlogError> {
        match &self.storage {
            LoginStorage::Session => {
                self.request.get_session().purge();
                Ok(())
            }
            LoginStorage::Cookie(_) => response
                .add_removal_cookie(&cookie(String::new()))
                .map_err(|_| BlogError::Internal),
        }
    }
}

impl FromRequest for Login {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::new(request)))
    }
}

/// Builds a cookie that scripts cannot read and that forms on other sites do not send.
fn cookie(value: String) -> Cookie<'static> {
    Cookie::build(COOKIE_NAME, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .finish()
}
