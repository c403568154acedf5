//! `capable_client_side`: the client runs the calls of a response header, as its request announced.

use std::borrow::Cow;

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::http::header::HeaderValue;

use crate::browser::snippet;
use crate::call::Calls;
use crate::flush::own_headers::OwnCallsHeader;
use crate::flush::{DeclineReason, Exchange, StrategyDeclined, caching, head, split};

/// Bytes of the headers that accompany the calls: the setup's ID and `Cache-Control`.
const SETUP_AND_CACHING_BYTES: usize = 80;

/// Puts the calls in a header. Returns the calls that the server must deliver.
pub(crate) fn flush<B: MessageBody>(
    exchange: &mut Exchange<B>,
    calls: &Calls,
) -> Result<Calls, StrategyDeclined> {
    check_readable_header(exchange)?;
    if split::has_too_old_event(calls) {
        return Err(
            DeclineReason::TooOld.because("an event is older than Mixpanel accepts from browsers")
        );
    }
    let visitor = exchange.recorder.visitor();
    let (mut ours, foreign) = split::exclude_foreign(calls, || visitor.browser());
    let setup = exchange.services.snippet.setup(&ours.setup);
    let setup_id = &setup.id;
    let with_setup = !ours.setup.is_empty()
        && match &exchange.info.setup_id {
            Some(known) => known != setup_id,
            None => !ours.before_setup.is_empty(),
        };
    if !with_setup && let Cow::Owned(with_events) = split::retain_setup_events(&ours) {
        ours = Cow::Owned(with_events);
    }
    if ours.is_setup_only() && !with_setup {
        return Err(DeclineReason::SetupOnly.because("there is nothing that the client would run"));
    }
    let knows_user = visitor.browser().user_id.as_deref() == ours.identity();
    if !with_setup && exchange.info.setup_id.is_none() && !knows_user {
        // The client runs no `identify` and would use its previous identity: each event carries its
        // own.
        split::add_identity(ours.to_mut(), visitor);
    }
    let value = snippet::header(&ours, with_setup);
    let names = &exchange.services.settings.names;
    let calls_bytes = head::line_bytes(names.calls.as_str().len(), value.len());
    exchange.check_head(calls_bytes + SETUP_AND_CACHING_BYTES)?;
    let value = HeaderValue::from_str(&value)
        .map_err(|_| DeclineReason::TooLarge.because("a header cannot hold the calls"))?;
    let headers = exchange.response.headers_mut();
    headers.insert(names.calls.clone(), value);
    if let (true, Ok(setup_id)) = (with_setup, HeaderValue::from_str(setup_id)) {
        headers.insert(names.setup.clone(), setup_id);
    }
    caching::make_unstored(headers);
    exchange
        .response
        .request()
        .extensions_mut()
        .insert(OwnCallsHeader);
    Ok(foreign)
}

/// Checks that the client's script can read the header.
pub(crate) fn check_readable_header<B>(exchange: &Exchange<B>) -> Result<(), StrategyDeclined> {
    let status = exchange.response.status();
    if !exchange.info.is_capable {
        Err(DeclineReason::NotCapable.because("the request does not announce a capable client"))
    } else if exchange.info.is_cross_origin {
        Err(DeclineReason::OtherOrigin.because("a script of another origin sent the request"))
    } else if status.is_informational() || status.is_redirection() {
        Err(DeclineReason::NotCapable
            .because("scripts cannot read the headers of a response with this status"))
    } else if caching::may_be_shared(exchange.response.headers()) {
        Err(DeclineReason::SharedCache
            .because("a shared cache may keep the response: set Cache-Control: private"))
    } else {
        Ok(())
    }
}
