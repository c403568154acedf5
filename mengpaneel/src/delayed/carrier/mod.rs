//! Carrier cookies: one-shot encrypted cookies that take a payload from a redirect to the next
//! page.
//!
//! The application's session is no carrier. A session is written whole, so that a request which
//! takes a payload out of it stores the state that it loaded over what a parallel request stored
//! since.
//!
//! Each payload has a cookie of its own, in one of [`SLOTS`] names: two tabs that redirect at once
//! do not overwrite each other, and however many do, a visitor never holds more than `SLOTS`
//! cookies of [`MAX_COOKIE_BYTES`]. Web servers refuse a `Cookie` line of more than 8 KB (nginx
//! 1.22, Apache 2.4), which would lock a visitor out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::http::header::HeaderValue;
use sha2::{Digest as _, Sha512};
use thiserror::Error;
use uuid::Uuid;

use crate::delayed::{DecodeError, DelayedPayload};
use crate::id::now_ms;
use crate::request::headers::cookies_of;

/// Number of names, and so of cookies that a visitor can hold.
const SLOTS: usize = 4;
/// Most bytes of one cookie's name and value.
const MAX_COOKIE_BYTES: usize = 2_048;
/// Most bytes of all cookies of the next request, the application's included.
const MAX_REQUEST_BYTES: usize = 6_144;
/// Most values that one request has decrypted. A planted cookie of a parent domain can double each
/// name.
const MAX_DECRYPTIONS: usize = 2 * SLOTS;
/// Time that a browser keeps the cookie: as long as Mixpanel takes the events from a browser.
const LIFETIME: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// Allowance for the clocks of two machines.
const CLOCK_SKEW: Duration = Duration::from_secs(60 * 60);

/// Reason why a cookie cannot carry a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum CarrierError {
    /// The payload alone is too large.
    #[error("a cookie of {0} bytes is more than a carrier cookie may have ({MAX_COOKIE_BYTES})")]
    PayloadTooLarge(usize),
    /// Every name is taken by a payload that waits.
    #[error("{SLOTS} payloads wait already")]
    NoFreeSlot,
    /// The visitor's cookies leave no room.
    #[error(
        "the visitor's cookies would take {0} bytes, more than web servers accept beside others ({MAX_REQUEST_BYTES})"
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
    /// Beginning of each name.
    prefix: String,
    /// Slot to try first. Requests that run at once begin at different slots.
    next_slot: AtomicUsize,
}

/// A carrier cookie that a request brought.
#[derive(Debug)]
pub(crate) struct CarrierCookie {
    /// Name of the cookie.
    pub(crate) name: String,
    /// Decrypted content.
    pub(crate) payload: Result<DelayedPayload, DecodeError>,
}

impl Carrier {
    /// A carrier whose cookies are called `<prefix>.0` and so on, under a key derived from `key`.
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

    /// Returns whether a request brought a carrier cookie. Looks at names only.
    pub(crate) fn has_cookie(&self, cookies: &[HeaderValue]) -> bool {
        cookies_of(cookies).any(|(name, _)| self.slot(name).is_some())
    }

    /// Carrier cookies of a request, oldest payload first. Of several cookies of one name, which a
    /// parent domain can cause, the first one that can be read counts.
    pub(crate) fn read(&self, cookies: &[HeaderValue]) -> Vec<CarrierCookie> {
        let mut read: Vec<CarrierCookie> = Vec::new();
        let brought = cookies_of(cookies).filter(|(name, _)| self.slot(name).is_some());
        for (name, value) in brought.take(MAX_DECRYPTIONS) {
            match read.iter_mut().find(|known| known.name == name) {
                Some(known) if known.payload.is_ok() => {}
                Some(known) => known.payload = self.decrypt(name, value),
                None => read.push(CarrierCookie {
                    name: name.to_owned(),
                    payload: self.decrypt(name, value),
                }),
            }
        }
        read.sort_by_key(|cookie| {
            cookie
                .payload
                .as_ref()
                .map_or(Uuid::nil(), |payload| payload.id)
        });
        read
    }

    /// `Set-Cookie` line that carries a payload, beside the cookies that the request brought.
    ///
    /// # Errors
    /// [`CarrierError`]: the payload does not fit.
    pub(crate) fn cookie(
        &self,
        payload: &DelayedPayload,
        brought: &[HeaderValue],
        is_secure: bool,
    ) -> Result<HeaderValue, CarrierError> {
        let name = self.free_name(brought)?;
        let json = serde_json::to_string(payload).map_err(|_| CarrierError::Encryption)?;
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key)
            .add(Cookie::new(name.clone(), json));
        let mut cookie = jar.get(&name).cloned().ok_or(CarrierError::Encryption)?;
        let bytes = name.len() + 1 + cookie.value().len();
        if bytes > MAX_COOKIE_BYTES {
            return Err(CarrierError::PayloadTooLarge(bytes));
        }
        let total = bytes + brought.iter().map(HeaderValue::len).sum::<usize>();
        if total > MAX_REQUEST_BYTES {
            return Err(CarrierError::TooManyCookies(total));
        }
        cookie.set_path("/");
        cookie.set_http_only(true);
        // Sent with the redirect that follows another site's form, which `Strict` would hold back.
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(is_secure);
        cookie.set_max_age(CookieDuration::try_from(LIFETIME).unwrap_or(CookieDuration::DAY));
        HeaderValue::try_from(cookie.to_string()).map_err(|_| CarrierError::Encryption)
    }

    /// First free name, else the name of a cookie that nobody can read.
    fn free_name(&self, brought: &[HeaderValue]) -> Result<String, CarrierError> {
        let first = self.next_slot.fetch_add(1, Ordering::Relaxed);
        let taken: Vec<usize> = cookies_of(brought)
            .filter_map(|(name, _)| self.slot(name))
            .collect();
        let mut slots = (0..SLOTS).map(|offset| first.wrapping_add(offset) % SLOTS);
        if let Some(free) = slots.find(|slot| !taken.contains(slot)) {
            return Ok(self.name(free));
        }
        let unreadable = self
            .read(brought)
            .into_iter()
            .find(|cookie| cookie.payload.is_err());
        unreadable
            .map(|cookie| cookie.name)
            .ok_or(CarrierError::NoFreeSlot)
    }

    fn name(&self, slot: usize) -> String {
        format!("{}.{slot}", self.prefix)
    }

    fn slot(&self, name: &str) -> Option<usize> {
        let slot = name.strip_prefix(&self.prefix)?.strip_prefix('.')?;
        slot.parse()
            .ok()
            .filter(|known: &usize| *known < SLOTS && slot.len() == 1)
    }

    /// The name is authenticated with the value, so that a value moved to another name is refused.
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

/// `Set-Cookie` line that takes a carrier cookie from the browser. `None` for what is no cookie's
/// name.
pub(crate) fn removal(name: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!(
        "{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    ))
    .ok()
}

/// Returns whether a payload's ID, a UUID of version 7, tells of a time before which no browser
/// keeps its cookie.
fn is_expired(id: Uuid) -> bool {
    let Some(created) = id.get_timestamp() else {
        return true;
    };
    let (seconds, nanos) = created.to_unix();
    let age = Duration::from_millis(now_ms()).saturating_sub(Duration::new(seconds, nanos));
    age > LIFETIME + CLOCK_SKEW
}

#[cfg(test)]
mod tests;
