//! Visitors: who asks, with cookies of their own, as a browser, a script or a machine does.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, header};
use serde_json::Value;

use crate::page::Page;

/// Somebody who asks the blog, and keeps its cookies. Redirects are not followed unless said so.
#[derive(Clone, Debug)]
pub struct Visitor {
    base: String,
    client: Client,
    /// Name and value of each cookie. Public, so that a test can be a second tab.
    pub cookies: BTreeMap<String, String>,
    /// Headers on every request.
    headers: Vec<(String, String)>,
}

/// One request before it is made.
#[derive(Debug)]
pub struct Ask<'a> {
    visitor: &'a mut Visitor,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<(&'static str, String)>,
}

impl Visitor {
    /// A person with a browser.
    ///
    /// # Panics
    /// Where the client cannot be made.
    #[must_use]
    pub fn browser(base: impl Into<String>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .build()
            .expect("an HTTP client");
        Self { base: base.into(), client, cookies: BTreeMap::new(), headers: Vec::new() }.with(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        )
    }

    /// A program: no browser, no cookies at first.
    ///
    /// # Panics
    /// Where the client cannot be made.
    #[must_use]
    pub fn machine(base: impl Into<String>) -> Self {
        Self {
            headers: vec![("user-agent".into(), "payments/1.0".into())],
            ..Self::browser(base)
        }
    }

    /// With a header on every request.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same visitor, with the same cookies, at another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// Asks for a page, as a click does.
    pub fn get(&mut self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
            .header("accept", "text/html,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
    }

    /// Sends a form, as a click does.
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Ask<'_> {
        let form = url_encoded(form);
        let ask = self
            .ask(Method::POST, path)
            .header("accept", "text/html,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate");
        Ask {
            body: Some(("application/x-www-form-urlencoded", form)),
            ..ask
        }
    }

    /// Sends JSON and wants JSON, as a script does.
    pub fn post_json(&mut self, path: &str, json: &Value) -> Ask<'_> {
        let ask = self
            .ask(Method::POST, path)
            .header("accept", "application/json");
        Ask {
            body: Some(("application/json", json.to_string())),
            ..ask
        }
    }

    /// Anything else.
    pub fn ask(&mut self, method: Method, path: &str) -> Ask<'_> {
        Ask {
            path: path.into(),
            method,
            headers: self.headers.clone(),
            body: None,
            visitor: self,
        }
    }

    /// Asks for a page, and follows where it leads.
    pub async fn visit(&mut self, path: &str) -> Page {
        let mut page = self.get(path).await_page().await;
        for _ in 0..60 {
            if !(300..400).contains(&page.status) {
                break;
            }
            let next = page.location().to_owned();
            page = self.get(&next).await_page().await;
        }
        page
    }

    /// Keeps the cookies of an answer.
    pub fn keep(&mut self, page: &Page) {
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            if attributes.to_ascii_lowercase().contains("max-age=0") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
    }
}

impl Ask<'_> {
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As `mengpaneel.js` marks it.
    #[must_use]
    pub fn capable(self) -> Self {
        self.header("x-mengpaneel-flush-capable", "true")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
    }

    /// Makes the request.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn send(self) -> reqwest::Result<Page> {
        let Self {
            visitor,
            method,
            path,
            headers,
            body,
        } = self;
        let url = if path.starts_with('/') {
            format!("{}{path}", visitor.base)
        } else {
            path
        };
        let mut request = visitor.client.request(method, url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        if !visitor.cookies.is_empty() {
            let cookies: Vec<_> = visitor
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some((kind, body)) = body {
            request = request.header(header::CONTENT_TYPE, kind).body(body);
        }
        let response = request.send().await?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        let (status, headers) = (response.status().as_u16(), headers.collect());
        let page = Page {
            status,
            headers,
            body: response.text().await?,
        };
        visitor.keep(&page);
        Ok(page)
    }

    /// Makes the request, which is answered.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn await_page(self) -> Page {
        self.send()
            .await
            .unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }
}

fn url_encoded(form: &[(&str, &str)]) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form);
    encoded.finish()
}
