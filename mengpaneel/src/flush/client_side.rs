//! `client_side`: the calls stand in the page, and the visitor's browser makes them.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};

use crate::browser::charset;
use crate::browser::charset::Declared;
use crate::browser::csp::{CspResult, Requirements};
use crate::browser::inject::{Scanner, insert, scan};
use crate::browser::policies;
use crate::browser::snippet::Audience;
use crate::call::Calls;
use crate::error::setup_mistake::SetupMistake;
use crate::flush::body::Content;
use crate::flush::split::MAX_SNIPPET_BYTES;
use crate::flush::stream::{CheckPolicy, RenderSnippet, Streaming};
use crate::flush::{DeclineReason, Exchange, StrategyDeclined, caching, split};
use crate::request::headers;
use crate::request::info::RequestInfo;
use crate::request::kind::Kind;
use crate::settings::{Loader, Settings};

/// Where the block stands.
enum InsertionPoint {
    /// Before this byte, under this nonce.
    At(usize, Option<String>),
    /// Where the end of the head comes by.
    InStream,
}

/// The type of most pages, as Actix writes it.
const DEFAULT_CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// Why a page is declined whose bytes may not be read as ASCII.
const UNSAFE_CHARSET: &str =
    "its encoding may read ASCII differently: set charset=utf-8 in its Content-Type";

/// Whether the response may be a page, by its head alone: then its body is worth reading.
pub(crate) fn is_page<B>(exchange: &Exchange<B>) -> Result<(), StrategyDeclined> {
    let (asked, head) = (&exchange.info, exchange.response.headers());
    let status = exchange.response.status();
    let no_page = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::PARTIAL_CONTENT,
    ];
    let text = |name| head.get(name).map(headers::text).unwrap_or_default();
    let (content_type, encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    let is_usual = content_type == DEFAULT_CONTENT_TYPE;
    let (reason, text) = if asked.method == Method::HEAD {
        (DeclineReason::NotAPage, "an answer to HEAD has no body")
    } else if status.is_informational() || status.is_redirection() || no_page.contains(&status) {
        (DeclineReason::NotAPage, "a status that shows no page")
    } else if !is_usual
        && !content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim_end()
            .eq_ignore_ascii_case("text/html")
    {
        (DeclineReason::NotAPage, "no text/html")
    } else if asked.is_capable {
        (DeclineReason::NotAPage, "a script asked for it")
    } else if let Kind::Other(why) = asked.kind {
        (DeclineReason::NotAPage, why)
    } else if begins_document(&text(header::CONTENT_DISPOSITION), "attachment") {
        (DeclineReason::NotAPage, "an attachment")
    } else if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        (
            DeclineReason::Encoded,
            "its Content-Encoding hides the page: wrap Compress outside of the Mengpaneel",
        )
    } else if charset_of(head) == Declared::Unsafe {
        (DeclineReason::Charset, UNSAFE_CHARSET)
    } else {
        return Ok(());
    };
    Err(reason.because(text))
}

/// Whether a text begins so, in whatever case.
fn begins_document(text: &str, with: &str) -> bool {
    text.get(..with.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

/// Says what the response's head declares of the encoding. Of several types it is unclear which
/// counts.
fn charset_of(headers: &HeaderMap) -> Declared {
    let mut types = headers.get_all(header::CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(only), None) if only.as_bytes() == DEFAULT_CONTENT_TYPE.as_bytes() => Declared::Safe,
        (Some(only), None) => charset::declared(&headers::text(only)),
        _ => Declared::Unsafe,
    }
}

/// Puts the calls in the page. Returns the calls of another user, and those that a page might
/// repeat.
pub(crate) fn flush<B: MessageBody>(
    exchange: &mut Exchange<B>,
    calls: &Calls,
) -> Result<Calls, StrategyDeclined> {
    let place = insertion_point(exchange)?;
    if caching::may_be_shared(exchange.response.headers()) {
        return Err(DeclineReason::SharedCache
            .because("a cache in front may keep the page: set Cache-Control: private, and nothing for proxies"));
    }
    if split::is_too_old(calls) {
        return Err(
            DeclineReason::TooOld.because("an event is older than Mixpanel takes from browsers")
        );
    }
    let bytes = split::bytes(calls);
    if bytes > MAX_SNIPPET_BYTES {
        let text = format!(
            "{bytes} bytes of calls are more than a page is to carry ({MAX_SNIPPET_BYTES})"
        );
        return Err(DeclineReason::TooLarge.because(text));
    }
    let recorder = Arc::clone(&exchange.recorder);
    let (ours, others) = split::for_page(calls, || recorder.visitor());
    if ours.is_empty() {
        return Err(DeclineReason::ServerOnly
            .because("nothing that may stand in a page: the server can send it once and now"));
    }
    write(exchange, place, Some(&ours));
    Ok(others)
}

/// Returns whether the response is a page whose scripts a browser runs.
pub(crate) fn can_carry<B: MessageBody>(exchange: &Exchange<B>) -> bool {
    insertion_point(exchange).is_ok()
}

/// Puts the loader alone in the page, where there is a page that no cache in front may keep, and
/// the loader is wanted on each. A visitor without consent gets the silent mixpanel in its place.
pub(crate) fn inject_loader<B: MessageBody>(exchange: &mut Exchange<B>) {
    if exchange.services.settings.page.loader == Loader::Always
        && !caching::may_be_shared(exchange.response.headers())
        && let Ok(place) = insertion_point(exchange)
    {
        write(exchange, place, None);
    }
}

fn insertion_point<B: MessageBody>(
    exchange: &Exchange<B>,
) -> Result<InsertionPoint, StrategyDeclined> {
    // What is in memory was found to be one before it was read.
    if !matches!(exchange.body, Some(Content::Whole { .. })) {
        is_page(exchange)?;
    }
    let headers = exchange.response.headers();
    let bytes = match &exchange.body {
        Some(Content::Whole { bytes }) => bytes,
        Some(Content::Own { .. }) if exchange.services.settings.inject_into_streams => {
            return match check_policy(headers, &[], &exchange.services.settings, &exchange.info) {
                CspResult::Forbidden(obstacle) => {
                    Err(DeclineReason::Policy.because(obstacle.to_string()))
                }
                CspResult::Allowed | CspResult::Nonce(_) => Ok(InsertionPoint::InStream),
            };
        }
        _ => {
            return Err(
                DeclineReason::Streamed.because("its body is streamed: see inject_into_streams")
            );
        }
    };
    let mut scanner = Scanner::default();
    let Some(at) = scan(&mut scanner, bytes) else {
        return Err(if scanner.is_amp() {
            DeclineReason::Amp.because("an AMP document takes no other scripts")
        } else {
            DeclineReason::NotAPage.because("no whole document")
        });
    };
    if charset_of(headers) != Declared::Safe
        && (scanner.has_unsafe_charset() || charset::may_shift(bytes.get(..at).unwrap_or_default()))
    {
        return Err(DeclineReason::Charset.because(UNSAFE_CHARSET));
    }
    match check_policy(
        headers,
        scanner.policies(),
        &exchange.services.settings,
        &exchange.info,
    ) {
        CspResult::Allowed => Ok(InsertionPoint::At(at, None)),
        CspResult::Nonce(nonce) => Ok(InsertionPoint::At(at, Some(nonce))),
        CspResult::Forbidden(obstacle) => Err(DeclineReason::Policy.because(obstacle.to_string())),
    }
}

/// Verdict of the response's policies, together with those that the page itself declares.
fn check_policy(
    headers: &HeaderMap,
    declared: &[String],
    settings: &Settings,
    asked: &RequestInfo,
) -> CspResult {
    let page = &settings.page;
    let script = (page.loader != Loader::Never).then_some(page.lib_url.as_str());
    let needs = Requirements {
        origin: None,
        script,
        connect: Some(page.api_host()),
    };
    if !policies::has_any(headers, declared, &needs) {
        return CspResult::Allowed;
    }
    let origin = asked.url().map(|url| url.origin().ascii_serialization());
    policies::judge(
        headers,
        declared,
        &Requirements {
            origin: origin.as_deref(),
            ..needs
        },
    )
}

fn write<B: MessageBody>(exchange: &mut Exchange<B>, place: InsertionPoint, calls: Option<&Calls>) {
    let content = match (place, exchange.body.take()) {
        (InsertionPoint::At(at, nonce), Some(Content::Whole { bytes })) => {
            let calls = calls.map(|calls| (calls, exchange.recorder.next_id()));
            let audience = Audience::render(exchange.consent);
            let block = exchange
                .services
                .snippet
                .of(audience, calls, nonce.as_deref())
                .unwrap_or_default();
            Content::Injected {
                page: insert(&bytes, at, block),
            }
        }
        (InsertionPoint::InStream, Some(Content::Own { body })) => in_stream(exchange, body, calls),
        (_, other) => {
            exchange.body = other;
            return;
        }
    };
    exchange.body = Some(content);
    let headers = exchange.response.headers_mut();
    caching::drop_validators(headers);
    caching::make_private(headers);
}

/// What writes the calls when the end of the head comes by.
fn in_stream<B>(exchange: &Exchange<B>, body: B, calls: Option<&Calls>) -> Content<B> {
    let calls = calls.cloned();
    let parcel = calls.clone().filter(|calls| !calls.is_setup_only());
    let parcel = parcel.map(|calls| exchange.recorder.parcel(calls));
    let (headers, asked) = (
        exchange.response.headers().clone(),
        Arc::clone(&exchange.info),
    );
    let settings = Arc::clone(&exchange.services.settings);
    let is_declared = charset_of(&headers) == Declared::Safe;
    let path = exchange.response.request().path().to_owned();
    let judge: CheckPolicy = Box::new(move |declared| {
        let verdict = check_policy(&headers, declared, &settings, &asked);
        if let CspResult::Forbidden(obstacle) = &verdict {
            let mistake = SetupMistake::Policy(obstacle.to_string().into());
            settings.mistakes.report(&mistake, Some(&path));
        }
        verdict
    });
    let (page_view, audience) = (
        exchange.recorder.next_id(),
        Audience::render(exchange.consent),
    );
    let write: RenderSnippet = Box::new(move |block, nonce| {
        block.of(
            audience,
            calls.as_ref().map(|calls| (calls, page_view)),
            nonce,
        )
    });
    let (recorder, block) = (
        Arc::clone(&exchange.recorder),
        Arc::clone(&exchange.services.snippet),
    );
    let streaming = Streaming::new(
        (judge, write, is_declared),
        (block, page_view),
        recorder,
        Arc::clone(&exchange.services.dispatcher),
        parcel,
    );
    Content::Streamed {
        body,
        streaming: Box::new(streaming),
        is_over: false,
    }
}
