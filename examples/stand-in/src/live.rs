//! Live page: received events and profile updates, and pending events.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::received::{Endpoint, Received, Via};
use crate::store::{Entry, Store};

/// Maximum number of entries in one response. Older entries are left out.
const MAX_ENTRIES: usize = 300;

const PAGE: &str = include_str!("live.html");
const SCRIPT: &str = include_str!("live.js");

/// Style sheet of the live page, which the application's own pages can use too.
pub const STYLE: &str = include_str!("style.css");

/// Parts of the live page that the application provides.
#[derive(Clone, Debug, Default)]
pub struct LivePage {
    /// Links to the application's pages, as paths and texts. The first link is the home page.
    pub links: Vec<(&'static str, &'static str)>,
    /// Senders that send to another host. The page does not show their events as pending.
    pub external_senders: Vec<Via>,
    /// Notices at the top of the page.
    pub notices: Vec<String>,
}

/// Mounts only the live page (`/live`), for an application whose stand-in is a separate server.
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
        let links = self.links.iter().enumerate().map(|(index, (path, text))| {
            let (path, text) = (escape_html(path), escape_html(text));
            let attribute = if index == 0 {
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
            .map(|notice| format!("<p class=\"notice\">{}</p>\n", escape_html(notice)));
        let external_senders: Vec<_> = self
            .external_senders
            .iter()
            .map(|sender| sender.name())
            .collect();
        PAGE.replace("<!-- style -->", STYLE)
            .replace("<!-- script -->", SCRIPT)
            .replace("<!-- external senders -->", &external_senders.join(" "))
            .replace("<!-- bar -->", &bar)
            .replace("<!-- notices -->", &notices.collect::<String>())
    }
}

/// Escapes text for use between tags and in attributes.
fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[derive(Deserialize)]
struct EntriesQuery {
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

async fn entries(query: web::Query<EntriesQuery>, store: web::Data<Store>) -> HttpResponse {
    let mut entries = store.collect(|(number, entry)| {
        let json = (*number > query.after)
            .then(|| entry_json(entry))
            .flatten()?;
        Some(json!([number, json]))
    });
    let surplus = entries.len().saturating_sub(MAX_ENTRIES);
    entries.drain(..surplus);
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(entries)
}

fn entry_json(entry: &Entry) -> Option<Value> {
    match entry {
        Entry::Received(received) => Some(received_json(received)),
        Entry::Refused(refused) => Some(json!({
            "kind": "refused",
            "endpoint": refused.endpoint.path(),
            "what": refused.body["event"],
            "message": refused.message,
            "details": refused.body,
        })),
        Entry::Note(note, at) => Some(json!({"kind": "note", "at": at, "note": note})),
        Entry::Request(request) if request.status == Some(200) => None,
        Entry::Request(request) => Some(json!({
            "kind": "trouble",
            "endpoint": request.endpoint.path(),
            "status": request.status,
        })),
    }
}

fn received_json(received: &Received) -> Value {
    let is_event = matches!(received.endpoint, Endpoint::Track | Endpoint::Import);
    let title = if is_event {
        received.event().to_owned()
    } else {
        operations(&received.body)
    };
    // `$user_id` takes precedence: `distinct_id` may still be the anonymous device.
    let user = if is_event {
        received.property("$user_id")
    } else {
        &received.body["$user_id"]
    };
    json!({
        "kind": if is_event { "event" } else { "profile" },
        "endpoint": received.endpoint.path(),
        "via": received.via,
        "at": received.at,
        "time": received.time(),
        "what": title,
        "whom": user.as_str().or(received.distinct_id()),
        "insert_id": received.insert_id(),
        "details": if is_event { &received.body["properties"] } else { &received.body },
    })
}

/// Names the operations of a profile's record, for example `$set, $add`.
fn operations(record: &Value) -> String {
    let names = record
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str());
    let metadata = [
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
        .filter(|name| !metadata.contains(name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_no_placeholders_and_escapes_notices() {
        let page = LivePage {
            links: vec![("/", "Blog"), ("/live", "Live")],
            external_senders: vec![Via::Server],
            notices: vec!["5 < 6 & \"so\"".to_owned()],
        };
        let page = page.to_html();
        assert!(page.contains(r#"data-external-senders="server""#));
        assert!(page.contains(r#"<a class="brand" href="/">Blog</a>"#));
        assert!(page.contains(r#"<a aria-current="page" href="/live">Live</a>"#));
        assert!(page.contains("<p class=\"notice\">5 &lt; 6 &amp; &quot;so&quot;</p>"));
        assert!(page.contains("--paper:") && page.contains("poll();"));
        assert!(!page.contains("<!-- "), "a placeholder remains");
        assert!(!LivePage::default().to_html().contains("class=\"bar\""));
    }
}
