//! `delayed`: after a redirect the browser asks again; the calls wait for that in the session.

use actix_web::body::MessageBody;
use actix_web::http::{StatusCode, header};

use super::{Declined, Exchange, split};
use crate::call::Calls;
use crate::parcel::Parcel;
use crate::session::{Delayed, NoRoom, put, put_cookie};

/// Puts the calls where the next request finds them. Gives those that cannot wait.
pub(super) fn flush<B: MessageBody>(exchange: &mut Exchange<B>, calls: &Calls) -> Result<Calls, Declined> {
    if calls.is_setup_only() {
        return Err("nothing but setup".into());
    }
    comes_back(exchange)?;
    let Some(session) = exchange.session.clone() else {
        return Err("no SessionMiddleware stands outside of the Mengpaneel".into());
    };
    let (mut waiting, at_once) = split::unrepeatable(calls, exchange.recorder.visitor());
    if waiting.is_setup_only() {
        return Err("nothing that may wait: the server can send it once and now".into());
    }
    split::stamp(&mut waiting, exchange.recorder.visitor());
    let delayed = Delayed { id: uuid::Uuid::now_v7(), calls: waiting };
    let settings = &exchange.means.settings;
    match put(&session, &settings.names.session_key, &delayed, settings.max_session) {
        Ok(()) => {}
        Err(NoRoom::Purged) => {
            let Some(key) = &settings.cookie_key else { return Err(NoRoom::Purged.to_string().into()) };
            let secure = exchange.asked.url().is_some_and(|url| url.scheme() == "https");
            let response = exchange.response.response_mut();
            put_cookie(response, &settings.names.cookie, key, &delayed, secure)
                .map_err(|no_room| Declined::from(no_room.to_string()))?;
            exchange.clear_cookie = false;
        }
        Err(no_room) => return Err(no_room.to_string().into()),
    }
    let Delayed { id, calls } = delayed;
    exchange.aside = Some(Box::new(Parcel { id, ..exchange.recorder.parcel(calls) }));
    Ok(at_once)
}

/// Keeps a copy for the server, should the page never come. It takes the place of what was replayed
/// here and waits again; without one, the sessions that hold that still are left to say it.
pub(super) async fn keep_aside<B>(exchange: &mut Exchange<B>) {
    let Some(copy) = exchange.aside.take() else { return };
    let after = exchange.means.settings.unclaimed_after;
    exchange.means.post.keep_aside(&exchange.means.claims, *copy, after, exchange.claim.take()).await;
}

/// Whether the browser will come back to us, with what it was given.
pub(super) fn comes_back<B>(exchange: &Exchange<B>) -> Result<(), Declined> {
    const FOLLOWED: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !FOLLOWED.contains(&exchange.response.status()) {
        return Err("no redirect".into());
    }
    let location = exchange.response.headers().get(header::LOCATION);
    let Some(location) = location.and_then(|location| std::str::from_utf8(location.as_bytes()).ok()) else {
        return Err("a redirect without a Location".into());
    };
    if location.trim().is_empty() {
        return Err("a redirect with an empty Location, which no browser follows".into());
    }
    if !exchange.asked.is_same_origin(location) {
        return Err("a redirect to another origin".into());
    }
    if !exchange.asked.keeps_cookies {
        return Err("the client shows no sign of keeping cookies".into());
    }
    Ok(())
}
