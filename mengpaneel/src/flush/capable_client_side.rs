//! `capable_client_side`: a script asked and said that it makes the calls; they go in a header.

use std::borrow::Cow;

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::http::header::HeaderValue;

use crate::browser::snippet;
use crate::call::Calls;
use crate::flush::{
    DeclineReason, Exchange, OwnCallsHeader, StrategyDeclined, caching, head, split,
};

/// Bytes of the headers that go with the calls: the setup's ID and `Cache-Control`.
const SETUP_AND_CACHING_BYTES: usize = 80;

/// Puts the calls in a header. Gives those that are another user's.
pub(crate) fn flush<B: MessageBody>(
    exchange: &mut Exchange<B>,
    calls: &Calls,
) -> Result<Calls, StrategyDeclined> {
    can_read_header(exchange)?;
    if split::is_too_old(calls) {
        return Err(
            DeclineReason::TooOld.because("an event is older than Mixpanel takes from browsers")
        );
    }
    let visitor = exchange.recorder.visitor();
    let (mut ours, foreign) = split::take_foreign(calls, || visitor.browser());
    let setup = exchange.services.snippet.setup(&ours.setup);
    let name = &setup.name;
    let with_setup = !ours.setup.is_empty()
        && match &exchange.info.setup_id {
            Some(known) => known != name,
            None => !ours.before_setup.is_empty(),
        };
    if !with_setup && let Cow::Owned(kept) = split::retain_setup_events(&ours) {
        ours = Cow::Owned(kept);
    }
    if ours.is_setup_only() && !with_setup {
        return Err(DeclineReason::SetupOnly.because("nothing that the client would run"));
    }
    let knows_who = visitor.browser().user_id.as_deref() == ours.identity();
    if !with_setup && exchange.info.setup_id.is_none() && !knows_who {
        // It is not told who is there, and takes itself for another: the events say it themselves.
        split::add_identity(ours.to_mut(), visitor);
    }
    let value = snippet::header(&ours, with_setup);
    let names = &exchange.services.settings.names;
    let calls_bytes = head::line_bytes(names.calls.as_str().len(), value.len());
    exchange.check_head(calls_bytes + SETUP_AND_CACHING_BYTES)?;
    let value = HeaderValue::from_str(&value)
        .map_err(|_| DeclineReason::TooLarge.because("calls that no header can hold"))?;
    let headers = exchange.response.headers_mut();
    headers.insert(names.calls.clone(), value);
    if let (true, Ok(name)) = (with_setup, HeaderValue::from_str(name)) {
        headers.insert(names.setup.clone(), name);
    }
    caching::make_unstored(headers);
    exchange
        .response
        .request()
        .extensions_mut()
        .insert(OwnCallsHeader);
    Ok(foreign)
}

/// Whether a script of ours will see the header.
pub(crate) fn can_read_header<B>(exchange: &Exchange<B>) -> Result<(), StrategyDeclined> {
    let status = exchange.response.status();
    if !exchange.info.is_capable {
        Err(DeclineReason::NotCapable.because("the client does not say that it can"))
    } else if exchange.info.is_cross_origin {
        Err(DeclineReason::OtherOrigin.because("a script of another origin asks"))
    } else if status.is_informational() || status.is_redirection() {
        Err(DeclineReason::NotCapable.because("scripts do not see the headers of such a status"))
    } else if caching::may_be_shared(exchange.response.headers()) {
        Err(DeclineReason::SharedCache
            .because("a shared cache may keep the response: say Cache-Control: private"))
    } else {
        Ok(())
    }
}
