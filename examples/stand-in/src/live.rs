//! The live page: events and profiles as they arrive, and the events that are still to arrive.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::received::{Endpoint, Received, Via};
use crate::store::{Entry, Store};

/// The most entries in one answer; of older ones only the latest are shown.
const MAX_SHOWN: usize = 300;

const PAGE: &str = include_str!("live.html");
const SCRIPT: &str = include_str!("live.js");

/// Style sheet of the live page, for pages beside it.
pub const STYLE: &str = include_str!("style.css");

/// Parts of the live page that the application around it knows.
#[derive(Clone, Debug, Default)]
pub struct LivePage {
    /// Links to the application's own pages: paths and texts. The first one is its home.
    pub links: Vec<(&'static str, &'static str)>,
    /// Senders that send to another Mixpanel: the page does not wait for their events.
    pub elsewhere: Vec<Via>,
    /// Sentences at the top of the page.
    pub notices: Vec<String>,
}

/// Mounts the live page alone (`/live`), in an application that has the stand-in elsewhere.
pub fn live_page(store: &Store, page: &LivePage) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let (store, page) = (store.clone(), page.clone());
    move |config| configure(store, &page, config)
}

pub(crate) fn configure(store: Store, page: &LivePage, config: &mut web::ServiceConfig) {
    let html = page.to_html();
    let page = web::resource("/live")
        .route(web::get().to(show_page))
        .route(web::head().to(show_page));
    let json = web::resource("/live.json")
        .route(web::get().to(entries))
        .route(web::head().to(entries));
    config
        .service(page.app_data(web::Data::new(html)))
        .service(json.app_data(web::Data::new(store)));
}

impl LivePage {
    fn to_html(&self) -> String {
        let links = self.links.iter().enumerate().map(|(place, (path, text))| {
            let (path, text) = (escaped(path), escaped(text));
            let attribute = if place == 0 {
                " class=\"brand\""
            } else if path == "/live" {
                " aria-current=\"page\""
            } else {
                ""
            };
            format!("<a{attribute} href=\"{path}\">{text}</a>\n")
        });
        let links: String = links.collect();
        let bar = if links.is_empty() {
            String::new()
        } else {
            format!("<header class=\"bar\"><nav>\n{links}</nav></header>")
        };
        let notices = self
            .notices
            .iter()
            .map(|notice| format!("<p class=\"notice\">{}</p>\n", escaped(notice)));
        let elsewhere: Vec<_> = self.elsewhere.iter().map(|sender| sender.name()).collect();
        PAGE.replace("<!-- style -->", STYLE)
            .replace("<!-- script -->", SCRIPT)
            .replace("<!-- elsewhere -->", &elsewhere.join(" "))
            .replace("<!-- bar -->", &bar)
            .replace("<!-- notices -->", &notices.collect::<String>())
    }
}

/// Text that is safe between tags and in attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    after: u64,
}

async fn show_page(page: web::Data<String>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:",
        ))
        .body(page.get_ref().clone())
}

async fn entries(since: web::Query<Since>, store: web::Data<Store>) -> HttpResponse {
    let mut shown = store.collect(|(number, entry)| {
        let shown = (*number > since.after).then(|| show(entry)).flatten()?;
        Some(json!([number, shown]))
    });
    let older = shown.len().saturating_sub(MAX_SHOWN);
    shown.drain(..older);
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(shown)
}

fn show(entry: &Entry) -> Option<Value> {
    match entry {
        Entry::Received(one) => Some(show_received(one)),
        Entry::Refused(one) => Some(json!({
            "kind": "refused",
            "endpoint": one.endpoint.path(),
            "what": one.body["event"],
            "message": one.message,
            "details": one.body,
        })),
        Entry::Note(note, at) => Some(json!({"kind": "note", "at": at, "note": note})),
        Entry::Request(one) if one.status == Some(200) => None,
        Entry::Request(one) => Some(json!({
            "kind": "trouble",
            "endpoint": one.endpoint.path(),
            "status": one.status,
        })),
    }
}

fn show_received(one: &Received) -> Value {
    let event = matches!(one.endpoint, Endpoint::Track | Endpoint::Import);
    let what = if event {
        one.event().to_owned()
    } else {
        operations(&one.body)
    };
    // Who signed in, where the event says so beside the visitor that it began as.
    let user = if event {
        one.property("$user_id")
    } else {
        &one.body["$user_id"]
    };
    json!({
        "kind": if event { "event" } else { "profile" },
        "endpoint": one.endpoint.path(),
        "via": one.via,
        "at": one.at,
        "time": one.time(),
        "what": what,
        "whom": user.as_str().or(one.distinct_id()),
        "insert_id": one.insert_id(),
        "details": if event { &one.body["properties"] } else { &one.body },
    })
}

/// The operations of a profile's record: `$set`, or `$set, $add`.
fn operations(record: &Value) -> String {
    let names = record
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str());
    let about = [
        "$token",
        "$distinct_id",
        "$device_id",
        "$user_id",
        "$had_persisted_distinct_id",
        "$group_key",
        "$group_id",
        "$ip",
        "$time",
        "$ignore_time",
        "$ignore_alias",
        "$latitude",
        "$longitude",
    ];
    names
        .filter(|name| !about.contains(name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_filled_and_shows_notices_as_text() {
        let page = LivePage {
            links: vec![("/", "Blog"), ("/live", "Live")],
            elsewhere: vec![Via::Server],
            notices: vec!["5 < 6 & \"so\"".to_owned()],
        };
        let page = page.to_html();
        assert!(page.contains(r#"data-elsewhere="server""#));
        assert!(page.contains(r#"<a class="brand" href="/">Blog</a>"#));
        assert!(page.contains(r#"<a aria-current="page" href="/live">Live</a>"#));
        assert!(page.contains("<p class=\"notice\">5 &lt; 6 &amp; &quot;so&quot;</p>"));
        assert!(page.contains("--paper:") && page.contains("look();"));
        assert!(!page.contains("<!-- "), "a placeholder is left");
        assert!(!LivePage::default().to_html().contains("class=\"bar\""));
    }
}
