//! `client_side`: the page carries the calls in a snippet, and the visitor's browser runs them.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};

use crate::browser::charset;
use crate::browser::charset::DeclaredCharset;
use crate::browser::csp::{CspResult, Requirements};
use crate::browser::inject::{Scanner, insert, scan};
use crate::browser::policies;
use crate::browser::snippet::Audience;
use crate::call::Calls;
use crate::error::setup_mistake::SetupMistake;
use crate::flush::body::Content;
use crate::flush::split::MAX_SNIPPET_BYTES;
use crate::flush::stream::{CheckPolicy, RenderSnippet, Streaming, StreamingConfig};
use crate::flush::{DeclineReason, Exchange, StrategyDeclined, caching, split};
use crate::request::headers;
use crate::request::info::RequestInfo;
use crate::request::kind::Kind;
use crate::settings::{Loader, Settings};

/// Position of the snippet in the page.
enum InsertionPoint {
    /// Before the byte at this offset, with this nonce.
    At(usize, Option<String>),
    /// At the end of the head of a streamed page, which is found while the page is sent.
    InStream,
}

/// Content type of most pages, as Actix writes it.
const DEFAULT_CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// Reason to decline a page whose encoding may decode ASCII bytes differently.
const UNSAFE_CHARSET: &str =
    "the page's encoding may decode ASCII differently: set charset=utf-8 in its Content-Type";

/// Checks that the response may be a page, by its head alone. Only then its body is read.
pub(crate) fn check_page<B>(exchange: &Exchange<B>) -> Result<(), StrategyDeclined> {
    let (info, headers) = (&exchange.info, exchange.response.headers());
    let status = exchange.response.status();
    let without_page = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::PARTIAL_CONTENT,
    ];
    let text = |name| headers.get(name).map(headers::text).unwrap_or_default();
    let (content_type, encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    let is_default_type = content_type == DEFAULT_CONTENT_TYPE;
    let (reason, text) = if info.method == Method::HEAD {
        (DeclineReason::NotAPage, "a response to HEAD has no body")
    } else if status.is_informational() || status.is_redirection() || without_page.contains(&status)
    {
        (
            DeclineReason::NotAPage,
            "browsers show no page for this status",
        )
    } else if !is_default_type
        && !content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim_end()
            .eq_ignore_ascii_case("text/html")
    {
        (DeclineReason::NotAPage, "the Content-Type is not text/html")
    } else if info.is_capable {
        (DeclineReason::NotAPage, "a script sent the request")
    } else if let Kind::Other(text) = info.kind {
        (DeclineReason::NotAPage, text)
    } else if starts_with_ignore_case(&text(header::CONTENT_DISPOSITION), "attachment") {
        (DeclineReason::NotAPage, "the response is an attachment")
    } else if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        (
            DeclineReason::Encoded,
            "the Content-Encoding hides the page: wrap Compress outside of the Mengpaneel",
        )
    } else if charset_of(headers) == DeclaredCharset::Unsafe {
        (DeclineReason::Charset, UNSAFE_CHARSET)
    } else {
        return Ok(());
    };
    Err(reason.because(text))
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Returns the encoding that the response's head declares. Several `Content-Type` lines are unsafe:
/// clients differ in which one they obey.
fn charset_of(headers: &HeaderMap) -> DeclaredCharset {
    let mut types = headers.get_all(header::CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(only), None) if only.as_bytes() == DEFAULT_CONTENT_TYPE.as_bytes() => {
            DeclaredCharset::Safe
        }
        (Some(only), None) => charset::declared(&headers::text(only)),
        _ => DeclaredCharset::Unsafe,
    }
}

/// Puts the calls in the page. Returns the calls of another user, and those that count twice if a
/// cached page repeats them.
pub(crate) fn flush<B: MessageBody>(
    exchange: &mut Exchange<B>,
    calls: &Calls,
) -> Result<Calls, StrategyDeclined> {
    let insertion_point = insertion_point(exchange)?;
    if caching::may_be_shared(exchange.response.headers()) {
        return Err(DeclineReason::SharedCache
            .because("a shared cache may keep the page: set Cache-Control: private, and no headers that allow proxies to keep it"));
    }
    if split::has_too_old_event(calls) {
        return Err(
            DeclineReason::TooOld.because("an event is older than Mixpanel accepts from browsers")
        );
    }
    let bytes = split::argument_bytes(calls);
    if bytes > MAX_SNIPPET_BYTES {
        let text = format!(
            "the calls have {bytes} bytes, more than a page may carry ({MAX_SNIPPET_BYTES})"
        );
        return Err(DeclineReason::TooLarge.because(text));
    }
    let recorder = Arc::clone(&exchange.recorder);
    let (ours, excluded) = split::for_page(calls, || recorder.visitor());
    if ours.is_empty() {
        return Err(DeclineReason::ServerOnly
            .because("no call may be in a page: the server delivers them once, without delay"));
    }
    inject(exchange, insertion_point, Some(&ours));
    Ok(excluded)
}

/// Returns whether the response is a page whose scripts a browser runs.
pub(crate) fn can_carry<B: MessageBody>(exchange: &Exchange<B>) -> bool {
    insertion_point(exchange).is_ok()
}

/// Puts the loader without calls in the page, if every page gets one and no shared cache may keep
/// this page. A visitor without consent gets the silent stub instead.
pub(crate) fn inject_loader<B: MessageBody>(exchange: &mut Exchange<B>) {
    if exchange.services.settings.page.loader == Loader::Always
        && !caching::may_be_shared(exchange.response.headers())
        && let Ok(insertion_point) = insertion_point(exchange)
    {
        inject(exchange, insertion_point, None);
    }
}

fn insertion_point<B: MessageBody>(
    exchange: &Exchange<B>,
) -> Result<InsertionPoint, StrategyDeclined> {
    // `read_page` checks the head before it reads a body into memory.
    if !matches!(exchange.body, Some(Content::Whole { .. })) {
        check_page(exchange)?;
    }
    let headers = exchange.response.headers();
    let bytes = match &exchange.body {
        Some(Content::Whole { bytes }) => bytes,
        Some(Content::Passthrough { .. }) if exchange.services.settings.inject_into_streams => {
            return match check_policy(headers, &[], &exchange.services.settings, &exchange.info) {
                CspResult::Forbidden(obstacle) => {
                    Err(DeclineReason::Policy.because(obstacle.to_string()))
                }
                CspResult::Allowed | CspResult::Nonce(_) => Ok(InsertionPoint::InStream),
            };
        }
        _ => {
            return Err(
                DeclineReason::Streamed.because("the body is streamed: see inject_into_streams")
            );
        }
    };
    let mut scanner = Scanner::default();
    let Some(at) = scan(&mut scanner, bytes) else {
        return Err(if scanner.is_amp() {
            DeclineReason::Amp.because("AMP documents allow no other scripts")
        } else {
            DeclineReason::NotAPage.because("the body is not a whole document")
        });
    };
    if charset_of(headers) != DeclaredCharset::Safe
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

/// Checks the snippet against the policies of the response and those that the page itself declares.
fn check_policy(
    headers: &HeaderMap,
    declared: &[String],
    settings: &Settings,
    info: &RequestInfo,
) -> CspResult {
    let page = &settings.page;
    let script = (page.loader != Loader::Never).then_some(page.lib_url.as_str());
    let requirements = Requirements {
        origin: None,
        script,
        connect: Some(page.api_host()),
    };
    if !policies::has_any(headers, declared, &requirements) {
        return CspResult::Allowed;
    }
    let origin = info.url().map(|url| url.origin().ascii_serialization());
    policies::check(
        headers,
        declared,
        &Requirements {
            origin: origin.as_deref(),
            ..requirements
        },
    )
}

/// Inserts the snippet, and adapts the headers that describe the body and its caching.
fn inject<B: MessageBody>(
    exchange: &mut Exchange<B>,
    insertion_point: InsertionPoint,
    calls: Option<&Calls>,
) {
    let content = match (insertion_point, exchange.body.take()) {
        (InsertionPoint::At(at, nonce), Some(Content::Whole { bytes })) => {
            let calls = calls.map(|calls| (calls, exchange.recorder.next_id()));
            let audience = Audience::from_status(exchange.consent);
            let snippet = exchange
                .services
                .snippet
                .render(audience, calls, nonce.as_deref())
                .unwrap_or_default();
            Content::Injected {
                page: insert(&bytes, at, snippet),
            }
        }
        (InsertionPoint::InStream, Some(Content::Passthrough { body })) => {
            streamed_content(exchange, body, calls)
        }
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

/// Wraps a streamed body so that the snippet is inserted when the end of the head is sent.
fn streamed_content<B>(exchange: &Exchange<B>, body: B, calls: Option<&Calls>) -> Content<B> {
    let calls = calls.cloned();
    let envelope = calls
        .clone()
        .filter(|calls| !calls.is_setup_only())
        .map(|calls| exchange.recorder.envelope(calls));
    let headers = exchange.response.headers().clone();
    let info = Arc::clone(&exchange.info);
    let settings = Arc::clone(&exchange.services.settings);
    let is_charset_declared = charset_of(&headers) == DeclaredCharset::Safe;
    let path = exchange.response.request().path().to_owned();
    let check_policy: CheckPolicy = Box::new(move |declared| {
        let result = check_policy(&headers, declared, &settings, &info);
        if let CspResult::Forbidden(obstacle) = &result {
            let mistake = SetupMistake::Policy(obstacle.to_string().into());
            settings.mistakes.report(&mistake, Some(&path));
        }
        result
    });
    let page_view = exchange.recorder.next_id();
    let audience = Audience::from_status(exchange.consent);
    let render: RenderSnippet = Box::new(move |snippet, nonce| {
        snippet.render(
            audience,
            calls.as_ref().map(|calls| (calls, page_view)),
            nonce,
        )
    });
    let streaming = Streaming::new(StreamingConfig {
        check_policy,
        render,
        is_charset_declared,
        snippet: Arc::clone(&exchange.services.snippet),
        page_view,
        recorder: Arc::clone(&exchange.recorder),
        dispatcher: Arc::clone(&exchange.services.dispatcher),
        envelope,
    });
    Content::Streamed {
        body,
        streaming: Box::new(streaming),
        is_finished: false,
    }
}
