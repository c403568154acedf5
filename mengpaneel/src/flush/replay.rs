//! Replay: adds delayed calls that the request brought to its own calls, if the browser runs the
//! calls of this response. Every other request leaves the payloads untouched.
//!
//! The protocol is described in [`crate::delayed`].

use std::error::Error;

use actix_session::SessionStatus;
use actix_web::body::MessageBody;
use actix_web::http::header::{self, HeaderValue};

use crate::delayed::claims::{Claim, ClaimError};
use crate::delayed::{DecodeError, DelayedPayload, carrier, session_payload};
use crate::flush::{Exchange, caching, capable_client_side, client_side, head};

/// Storage that a payload came from.
#[derive(Debug)]
enum Origin {
    /// Carrier cookie of this name.
    Cookie(String),
    /// The application's session, which an earlier version wrote to.
    Session,
}

/// Payload that came with the request.
struct IncomingPayload {
    origin: Origin,
    payload: Result<DelayedPayload, DecodeError>,
}

impl<B> Exchange<B>
where
    B: MessageBody,
    B::Error: Into<Box<dyn Error>>,
{
    /// Returns whether the request brought anything to replay. Only names are checked.
    pub(crate) fn has_incoming(&self) -> bool {
        let carrier = self.services.carrier.as_ref();
        self.session_payload.is_some()
            || carrier.is_some_and(|carrier| carrier.has_cookie(self.info.cookies()))
    }

    /// Claims the payloads that the request brought, and adds them to the recorder, if the browser
    /// runs the calls of this response. If the future is dropped, every claim is released.
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
        for IncomingPayload { origin, payload } in incoming {
            match payload {
                Ok(DelayedPayload { id, calls }) => match self.services.fallback.claim(id).await {
                    Ok(claim) => {
                        self.claim = Some(Claim::join(self.claim.take(), claim));
                        self.recorder.replay(calls);
                    }
                    // The request that holds the claim may still fail.
                    Err(ClaimError::Held) => continue,
                    Err(ClaimError::Done) => {}
                },
                // A visitor can send any cookie, so this is not worth a warning.
                Err(error) => {
                    tracing::debug!(target: "mengpaneel", ?origin, %error, "ignored delayed calls that cannot be replayed");
                }
            }
            self.remove(&origin);
        }
    }

    /// Discards the payloads that the request brought, fallback copies included: the visitor has
    /// withdrawn consent.
    pub(crate) async fn discard(&mut self) {
        if caching::may_be_shared(self.response.headers()) {
            return;
        }
        for IncomingPayload { origin, payload } in self.incoming_cookies() {
            if let Ok(DelayedPayload { id, .. }) = payload
                && let Ok(claim) = self.services.fallback.claim(id).await
            {
                claim.commit();
            }
            self.remove(&origin);
        }
    }

    /// Returns whether the browser runs the calls of this response.
    fn runs_calls(&self) -> bool {
        let can_carry = || {
            if self.info.is_capable {
                capable_client_side::check_readable_header(self).is_ok()
            } else {
                client_side::can_carry(self)
            }
        };
        self.info.can_replay() && !caching::may_be_shared(self.response.headers()) && can_carry()
    }

    fn incoming_cookies(&self) -> Vec<IncomingPayload> {
        let Some(carrier) = &self.services.carrier else {
            return Vec::new();
        };
        carrier
            .read(self.info.cookies())
            .into_iter()
            .map(|cookie| IncomingPayload {
                origin: Origin::Cookie(cookie.name),
                payload: cookie.payload,
            })
            .collect()
    }

    /// Returns whether the handler discarded the session, and with it a payload.
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

    /// Removes a carrier cookie from the browser if the `Set-Cookie` line fits in the response's
    /// head. A cookie that remains is not replayed again, and a later page removes it.
    fn remove_cookie(&mut self, name: &str) {
        let Some(line) = carrier::removal(name) else {
            return;
        };
        let session = self
            .session
            .as_ref()
            .filter(|session| session.status() != SessionStatus::Unchanged);
        let head_bytes = head::max_bytes(&self.response, session, 0)
            + head::line_bytes("set-cookie".len(), line.len());
        if head_bytes <= self.services.settings.max_header_bytes {
            self.set_cookie(Some(line));
        }
    }

    /// Adds a `Set-Cookie` line, and makes the response private: the cookie is one visitor's.
    pub(crate) fn set_cookie(&mut self, line: Option<HeaderValue>) {
        let Some(line) = line else { return };
        let headers = self.response.headers_mut();
        headers.append(header::SET_COOKIE, line);
        caching::make_private(headers);
    }
}

fn incoming_session(encoded: &str) -> IncomingPayload {
    IncomingPayload {
        origin: Origin::Session,
        payload: session_payload::decode(encoded),
    }
}
