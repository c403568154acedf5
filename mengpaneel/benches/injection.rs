//! What injecting into a page costs, in one run, beside a copy of the page and beside `lol_html`.
//! `cargo bench -p mengpaneel --bench injection`

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use lol_html::html_content::ContentType;
use lol_html::{HtmlRewriter, Settings, element};

#[allow(
    unused,
    missing_docs,
    unreachable_pub,
    reason = "the library's own files, of which the bench uses a part"
)]
#[path = "../src/browser"]
mod browser {
    pub mod charset;
    pub mod inject;
    pub mod tokens;
}

use browser::inject::{Injected, Scanner, insert, scan};

/// A setup, three calls and the loader, as the library writes them.
const BLOCK: &str = include_str!("../src/browser/snippet/pages/sign_up.html");

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="csrf-token" content="7c0f9a3e5b1d48c2a6e0f4d8b2967135">
<meta name="description" content="What happened, and who says so: notes on measuring an application.">
<title>Notes on measuring</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/application-0123456789abcdef.css">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #888; --accent: #6f4ce6 }
body { margin: 0 auto; max-width: 44rem; padding: 1.5rem; font: 16px/1.6 system-ui, sans-serif }
nav { display: flex; gap: 1rem; align-items: center; padding-bottom: .75rem; border-bottom: 1px solid var(--line) }
</style>
<script src="/assets/application-0123456789abcdef.js" defer></script>
</head>
<body>
"#;

/// A page of about that size.
fn page(size: usize) -> Vec<u8> {
    let mut page = HEAD.to_owned();
    let mut number = 0;
    while page.len() + 16 < size {
        number += 1;
        let _ = writeln!(
            page,
            "<article class=\"post\" id=\"post-{number}\"><h2><a href=\"/posts/{number}\">Post {number}</a></h2>\
             <p>Somebody wrote this &amp; somebody reads it, <em>again and again</em>.</p></article>"
        );
    }
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}

fn copied(page: &[u8]) -> Bytes {
    Bytes::copy_from_slice(page)
}

fn found(page: &[u8]) -> Option<usize> {
    scan(&mut Scanner::default(), page)
}

/// As the library does: what is the same in each page's block is shared, the calls are written.
fn injected(page: &Bytes, (begin, calls): (&'static str, &str)) -> Option<Injected> {
    found(page).map(|at| {
        insert(
            page,
            at,
            [
                Bytes::from_static(begin.as_bytes()),
                Bytes::from(calls.to_owned()),
            ],
        )
    })
}

/// The block, up to its calls and from there on.
fn block() -> (&'static str, &'static str) {
    BLOCK.split_at(BLOCK.find("var calls = ").unwrap_or_default())
}

fn rewritten(page: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(page.len() + BLOCK.len());
    let settings = Settings::new().append_element_content_handler(element!("head", |head| {
        head.append(BLOCK, ContentType::Html);
        Ok(())
    }));
    let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
    rewriter
        .write(page)
        .unwrap_or_else(|error| panic!("{error}"));
    rewriter.end().unwrap_or_else(|error| panic!("{error}"));
    out.into()
}

/// How long one of a thousand or so takes.
fn timed<T>(work: impl Fn() -> T) -> Duration {
    let started = Instant::now();
    black_box(work());
    let repeats =
        (Duration::from_millis(2).as_nanos() / started.elapsed().as_nanos().max(1)).clamp(1, 4000);
    let started = Instant::now();
    for _ in 0..repeats {
        black_box(work());
    }
    started.elapsed() / u32::try_from(repeats).unwrap_or(u32::MAX)
}

fn main() {
    let (small, block) = (Bytes::from(page(30_000)), block());
    let injected_whole = injected(&small, block).map(|page| page.join());
    assert_eq!(
        injected_whole,
        Some(rewritten(&small)),
        "both insert at the same place"
    );
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10}   inject/copy lol_html/inject",
        "page", "copy", "find", "inject", "lol_html"
    );
    for size in [1_000, 30_000, 300_000] {
        let page = page(size);
        let page = &black_box(Bytes::from(page));
        // The least of many rounds, taken by turns: what else the machine does disturbs all alike.
        let mut least = [Duration::MAX; 4];
        for _ in 0..100 {
            let round = [
                timed(|| copied(page)),
                timed(|| found(page)),
                timed(|| injected(page, block)),
                timed(|| rewritten(page)),
            ];
            for (least, now) in least.iter_mut().zip(round) {
                *least = now.min(*least);
            }
        }
        let [copy, find, inject, lol] = least;
        println!(
            "{:>10} {copy:>10.2?} {find:>10.2?} {inject:>10.2?} {lol:>10.2?}   {:>11.2} {:>15.1}",
            page.len(),
            inject.as_secs_f64() / copy.as_secs_f64(),
            lol.as_secs_f64() / inject.as_secs_f64(),
        );
    }
}
