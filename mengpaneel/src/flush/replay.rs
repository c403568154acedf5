//! Replay: takes delayed calls that the request brought into its own set, where the browser runs
//! what this response carries. Every other request leaves them where they are.

use std::error::Error;

use actix_session::SessionStatus;
use actix_web::body::MessageBody;
use actix_web::http::header::{self, HeaderValue};

use crate::delayed::claims::{Claim, ClaimError};
use crate::delayed::{DecodeError, DelayedPayload, carrier, session_payload};
use crate::flush::{Exchange, caching, capable_client_side, client_side, head};

/// Place where a payload waits.
#[derive(Debug)]
enum Origin {
    /// A carrier cookie of that name.
    Cookie(String),
    /// The application's session, where an earlier version left it.
    Session,
}

/// A payload that came with the request.
struct Incoming {
    origin: Origin,
    payload: Result<DelayedPayload, DecodeError>,
}

impl<B> Exchange<B>
where
    B: MessageBody,
    B::Error: Into<Box<dyn Error>>,
{
    /// Returns whether the request brought anything to replay. Looks at names only.
    pub(crate) fn has_incoming(&self) -> bool {
        let carrier = self.services.carrier.as_ref();
        self.session_payload.is_some()
            || carrier.is_some_and(|carrier| carrier.is_brought(self.info.cookies()))
    }

    /// Claims what the request brought, and hands it to the recorder, if the browser runs it.
    ///
    /// Dropped before it is done, every claim is released.
    pub(crate) async fn replay(&mut self) {
        let mut incoming = Vec::new();
        if self.runs_calls() {
            incoming.extend(self.incoming_cookies());
            incoming.extend(
                self.session_payload
                    .take()
                    .map(|encoded| incoming_session(&encoded)),
            );
        } else if self.is_session_payload_lost() {
            incoming.extend(
                self.session_payload
                    .take()
                    .map(|encoded| incoming_session(&encoded)),
            );
        }
        for Incoming { origin, payload } in incoming {
            match payload {
                Ok(DelayedPayload { id, calls }) => match self.services.fallback.claim(id).await {
                    Ok(claim) => {
                        self.claim = Some(Claim::join(self.claim.take(), claim));
                        self.recorder.replay(calls);
                    }
                    // Another request may still fail.
                    Err(ClaimError::HeldElsewhere) => continue,
                    Err(ClaimError::Done) => {}
                },
                // A visitor can send any cookie: this is no warning.
                Err(error) => {
                    tracing::debug!(target: "mengpaneel", ?origin, %error, "ignored delayed calls that cannot be replayed");
                }
            }
            self.remove(&origin);
        }
    }

    /// Discards what the request brought, fallback copies included: the visitor may no longer be
    /// tracked.
    pub(crate) async fn discard(&mut self) {
        if caching::may_be_shared(self.response.headers()) {
            return;
        }
        for Incoming { origin, payload } in self.incoming_cookies() {
            if let Ok(DelayedPayload { id, .. }) = payload
                && let Ok(claim) = self.services.fallback.claim(id).await
            {
                claim.commit();
            }
            self.remove(&origin);
        }
    }

    /// Returns whether the browser runs the calls that this response carries.
    fn runs_calls(&self) -> bool {
        let is_read = || {
            if self.info.is_capable {
                capable_client_side::can_read_header(self).is_ok()
            } else {
                client_side::can_carry(self)
            }
        };
        self.info.can_replay() && !caching::may_be_shared(self.response.headers()) && is_read()
    }

    fn incoming_cookies(&self) -> Vec<Incoming> {
        let Some(carrier) = &self.services.carrier else {
            return Vec::new();
        };
        let read = carrier.read(self.info.cookies()).into_iter();
        read.map(|cookie| Incoming {
            origin: Origin::Cookie(cookie.name),
            payload: cookie.payload,
        })
        .collect()
    }

    /// Returns whether the handler threw the session away, and a payload with it.
    fn is_session_payload_lost(&self) -> bool {
        let key = &self.services.settings.names.session_key;
        self.session
            .as_ref()
            .is_some_and(|session| !session.contains_key(key))
    }

    fn remove(&mut self, origin: &Origin) {
        match origin {
            Origin::Cookie(name) => self.remove_cookie(name),
            Origin::Session => {
                if let Some(session) = &self.session {
                    session_payload::remove_if_written(
                        session,
                        &self.services.settings.names.session_key,
                    );
                }
            }
        }
    }

    /// Takes a carrier cookie from the browser, if that fits in the response's head. One that stays
    /// is not replayed again, and a later page removes it.
    fn remove_cookie(&mut self, name: &str) {
        let Some(line) = carrier::removal(name) else {
            return;
        };
        let session = self
            .session
            .as_ref()
            .filter(|session| session.status() != SessionStatus::Unchanged);
        let head = head::bytes(&self.response, session, 0)
            + head::line_bytes("set-cookie".len(), line.len());
        if head <= self.services.settings.max_header_bytes {
            self.set_cookie(Some(line));
        }
    }

    /// Adds a cookie of one visitor's to a response that no shared cache may keep.
    pub(crate) fn set_cookie(&mut self, line: Option<HeaderValue>) {
        let Some(line) = line else { return };
        let headers = self.response.headers_mut();
        headers.append(header::SET_COOKIE, line);
        caching::make_private(headers);
    }
}

fn incoming_session(encoded: &str) -> Incoming {
    Incoming {
        origin: Origin::Session,
        payload: session_payload::decode(encoded),
    }
}
