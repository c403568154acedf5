//! Carrier cookies: one-shot encrypted cookies that carry a payload from a redirect to the next
//! page.
//!
//! The application's session is no carrier. A session is written as a whole. A request that removes
//! a payload would overwrite the changes of a parallel request with the state that it loaded.
//!
//! Each payload has a cookie with one of [`SLOTS`] names. Two tabs that redirect at once do not
//! overwrite each other, and a visitor never has more than `SLOTS` cookies of [`MAX_COOKIE_BYTES`].
//! Web servers refuse a `Cookie` line of more than 8 KB (nginx 1.22, Apache 2.4), which would lock
//! a visitor out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::http::header::HeaderValue;
use sha2::{Digest as _, Sha512};
use thiserror::Error;
use uuid::Uuid;

use crate::delayed::{DecodeError, DelayedPayload};
use crate::id::{now_ms, timestamp_ms};
use crate::request::headers::cookies_of;

/// Number of cookie names, and thus maximum number of cookies of a visitor.
const SLOTS: usize = 4;
/// Maximum bytes of one cookie's name and value.
const MAX_COOKIE_BYTES: usize = 2_048;
/// Maximum bytes of all cookies of the next request, the application's included.
const MAX_REQUEST_BYTES: usize = 6_144;
/// Maximum number of cookies that are decrypted for one request. A parent domain can set a second
/// cookie of each name.
const MAX_DECRYPTIONS: usize = 2 * SLOTS;
/// Lifetime of the cookie: as long as Mixpanel accepts the events from a browser.
const LIFETIME: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// Maximum difference between the clocks of two machines.
const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// Reason why a cookie cannot carry a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum CarrierError {
    /// The payload alone is too large.
    #[error("the carrier cookie would have {0} bytes, more than {MAX_COOKIE_BYTES}")]
    PayloadTooLarge(usize),
    /// Every name is used by a pending payload.
    #[error("all {SLOTS} carrier cookies hold pending payloads")]
    NoFreeSlot,
    /// The request's cookies leave no room.
    #[error(
        "the visitor's cookies would have {0} bytes in total, more than {MAX_REQUEST_BYTES}, which web servers might refuse"
    )]
    TooManyCookies(usize),
    /// Encryption failed.
    #[error("the payload cannot be encrypted")]
    Encryption,
}

/// Writes and reads carrier cookies.
pub(crate) struct Carrier {
    /// Derived from the application's key, which may encrypt other cookies too.
    key: Key,
    /// Common prefix of the names.
    prefix: String,
    /// Slot to try first. Concurrent requests begin at different slots.
    next_slot: AtomicUsize,
}

/// Carrier cookie of a request.
#[derive(Debug)]
pub(crate) struct CarrierCookie {
    /// Name of the cookie.
    pub(crate) name: String,
    /// Decrypted payload.
    pub(crate) payload: Result<DelayedPayload, DecodeError>,
}

impl Carrier {
    /// Creates a carrier with cookies named `<prefix>.0` and so on, and a key derived from `key`.
    pub(crate) fn new(prefix: &str, key: &Key) -> Self {
        let derived = Sha512::new()
            .chain_update(b"mengpaneel carrier cookie\0")
            .chain_update(key.master());
        Self {
            key: Key::from(&derived.finalize()),
            prefix: prefix.to_owned(),
            next_slot: AtomicUsize::new(0),
        }
    }

    /// Returns whether a request has a carrier cookie. Only names are checked.
    pub(crate) fn has_cookie(&self, cookies: &[HeaderValue]) -> bool {
        cookies_of(cookies).any(|(name, _)| self.slot(name).is_some())
    }

    /// Returns the carrier cookies of a request, oldest payload first.
    ///
    /// A parent domain can set a second cookie of the same name. The first one that can be
    /// decrypted counts.
    pub(crate) fn read(&self, cookies: &[HeaderValue]) -> Vec<CarrierCookie> {
        let mut result: Vec<CarrierCookie> = Vec::new();
        let carriers = cookies_of(cookies).filter(|(name, _)| self.slot(name).is_some());
        for (name, value) in carriers.take(MAX_DECRYPTIONS) {
            match result.iter_mut().find(|known| known.name == name) {
                Some(known) if known.payload.is_ok() => {}
                Some(known) => known.payload = self.decrypt(name, value),
                None => result.push(CarrierCookie {
                    name: name.to_owned(),
                    payload: self.decrypt(name, value),
                }),
            }
        }
        result.sort_by_key(|cookie| {
            cookie
                .payload
                .as_ref()
                .map_or(Uuid::nil(), |payload| payload.id)
        });
        result
    }

    /// Encrypts a payload into a `Set-Cookie` line. The cookie must fit beside those of the
    /// request.
    ///
    /// # Errors
    /// [`CarrierError`] if the payload does not fit or cannot be encrypted.
    pub(crate) fn cookie(
        &self,
        payload: &DelayedPayload,
        request_cookies: &[HeaderValue],
        is_secure: bool,
    ) -> Result<HeaderValue, CarrierError> {
        let name = self.free_name(request_cookies)?;
        let json = serde_json::to_string(payload).map_err(|_| CarrierError::Encryption)?;
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key)
            .add(Cookie::new(name.clone(), json));
        let mut cookie = jar.get(&name).cloned().ok_or(CarrierError::Encryption)?;
        let bytes = name.len() + 1 + cookie.value().len();
        if bytes > MAX_COOKIE_BYTES {
            return Err(CarrierError::PayloadTooLarge(bytes));
        }
        let total = bytes + request_cookies.iter().map(HeaderValue::len).sum::<usize>();
        if total > MAX_REQUEST_BYTES {
            return Err(CarrierError::TooManyCookies(total));
        }
        cookie.set_path("/");
        cookie.set_http_only(true);
        // `Strict` would withhold the cookie from the redirect that follows another site's form.
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(is_secure);
        cookie.set_max_age(CookieDuration::try_from(LIFETIME).unwrap_or(CookieDuration::DAY));
        HeaderValue::try_from(cookie.to_string()).map_err(|_| CarrierError::Encryption)
    }

    /// Returns an unused name, or else the name of a cookie that cannot be decrypted.
    fn free_name(&self, request_cookies: &[HeaderValue]) -> Result<String, CarrierError> {
        let first = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let used: Vec<usize> = cookies_of(request_cookies)
            .filter_map(|(name, _)| self.slot(name))
            .collect();
        let mut slots = (0..SLOTS).map(|offset| first.wrapping_add(offset) % SLOTS);
        if let Some(free) = slots.find(|slot| !used.contains(slot)) {
            return Ok(format!("{}.{free}", self.prefix));
        }
        let unreadable = self
            .read(request_cookies)
            .into_iter()
            .find(|cookie| cookie.payload.is_err());
        unreadable
            .map(|cookie| cookie.name)
            .ok_or(CarrierError::NoFreeSlot)
    }

    /// Slot of a carrier cookie's name. `None` for any other name.
    fn slot(&self, name: &str) -> Option<usize> {
        let slot = name.strip_prefix(&self.prefix)?.strip_prefix('.')?;
        slot.parse()
            .ok()
            .filter(|number: &usize| *number < SLOTS && slot.len() == 1)
    }

    /// Decrypts a cookie. The name is authenticated too: a value under another name is refused.
    fn decrypt(&self, name: &str, value: &str) -> Result<DelayedPayload, DecodeError> {
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::new(name.to_owned(), value.to_owned()));
        let decrypted = jar
            .private(&self.key)
            .get(name)
            .ok_or(DecodeError::Undecryptable)?;
        let payload = DelayedPayload::decode(decrypted.value())?;
        if is_expired(payload.id) {
            Err(DecodeError::Expired)
        } else {
            Ok(payload)
        }
    }
}

/// Returns the `Set-Cookie` line that removes a carrier cookie. `None` for a name that is not valid
/// in a header.
pub(crate) fn removal(name: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!(
        "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    ))
    .ok()
}

/// Returns whether a payload is older than its cookie may be, by its ID, a UUID of version 7.
fn is_expired(id: Uuid) -> bool {
    timestamp_ms(id).is_none_or(|created| {
        Duration::from_millis(now_ms().saturating_sub(created)) > LIFETIME + CLOCK_SKEW
    })
}

#[cfg(test)]
mod tests;
