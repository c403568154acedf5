//! HTTP client that keeps cookies and sends the headers of a browser, a script or a machine.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, header};
use serde_json::Value;

use crate::response::TestResponse;

/// Client of a test server that keeps cookies. Only [`visit`](Self::visit) follows redirects.
#[derive(Clone, Debug)]
pub struct TestClient {
    base_url: String,
    client: Client,
    /// Value of each cookie by name. Public, so that a test can give a second tab the same ones.
    pub cookies: BTreeMap<String, String>,
    /// Headers of every request.
    headers: Vec<(String, String)>,
}

/// Request that has not been sent yet.
#[derive(Debug)]
pub struct RequestBuilder<'a> {
    client: &'a mut TestClient,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<(&'static str, String)>,
}

impl TestClient {
    /// Creates a client that looks like a person's browser.
    ///
    /// # Panics
    /// If the HTTP client cannot be created.
    #[must_use]
    pub fn browser(base_url: impl Into<String>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .build()
            .expect("an HTTP client");
        Self { base_url: base_url.into(), client, cookies: BTreeMap::new(), headers: Vec::new() }.with_header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        )
    }

    /// Creates a client that looks like another server, such as a payment provider's.
    ///
    /// # Panics
    /// If the HTTP client cannot be created.
    #[must_use]
    pub fn machine(base_url: impl Into<String>) -> Self {
        Self {
            headers: vec![("user-agent".into(), "payments/1.0".into())],
            ..Self::browser(base_url)
        }
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns a client of another server that has the same cookies and headers.
    #[must_use]
    pub fn with_base_url(&self, base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            ..self.clone()
        }
    }

    /// Navigates to a page, as a click on a link does.
    pub fn get(&mut self, path: &str) -> RequestBuilder<'_> {
        self.request(Method::GET, path).navigation()
    }

    /// Submits a form, as a click on its button does.
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> RequestBuilder<'_> {
        RequestBuilder {
            body: Some(("application/x-www-form-urlencoded", url_encoded(form))),
            ..self.request(Method::POST, path).navigation()
        }
    }

    /// Sends JSON and accepts JSON, as a script does.
    pub fn post_json(&mut self, path: &str, json: &Value) -> RequestBuilder<'_> {
        let request = self
            .request(Method::POST, path)
            .header("accept", "application/json");
        RequestBuilder {
            body: Some(("application/json", json.to_string())),
            ..request
        }
    }

    /// Starts a request without headers of its own.
    pub fn request(&mut self, method: Method, path: &str) -> RequestBuilder<'_> {
        RequestBuilder {
            path: path.into(),
            method,
            headers: self.headers.clone(),
            body: None,
            client: self,
        }
    }

    /// Navigates to a page, and follows up to 60 redirects.
    pub async fn visit(&mut self, path: &str) -> TestResponse {
        let mut response = self.get(path).send().await;
        for _ in 0..60 {
            if !(300..400).contains(&response.status) {
                break;
            }
            let next = response.location().to_owned();
            response = self.get(&next).send().await;
        }
        response
    }

    /// Stores and removes cookies as a response demands.
    pub fn store_cookies(&mut self, response: &TestResponse) {
        let lines = response.headers.iter();
        for (_, cookie) in lines.filter(|(name, _)| name == "set-cookie") {
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

    /// Value of the header `Cookie`.
    #[must_use]
    pub fn cookie_header(&self) -> String {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }
}

impl RequestBuilder<'_> {
    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets several headers.
    #[must_use]
    pub fn headers(self, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter();
        headers.fold(self, |request, (name, value)| request.header(name, value))
    }

    /// Sets the headers of a navigation.
    fn navigation(self) -> Self {
        self.header("accept", "text/html,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
    }

    /// Sets the headers that `mengpaneel.js` gives a request of a script.
    #[must_use]
    pub fn capable(self) -> Self {
        self.header("x-mengpaneel-flush-capable", "true")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
    }

    /// Sends the request, and stores the cookies of its response.
    ///
    /// # Errors
    /// If there is no response.
    pub async fn try_send(self) -> reqwest::Result<TestResponse> {
        let Self {
            client,
            method,
            path,
            headers,
            body,
        } = self;
        let url = if path.starts_with('/') {
            format!("{}{path}", client.base_url)
        } else {
            path
        };
        let mut request = client.client.request(method, url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        if !client.cookies.is_empty() {
            request = request.header(header::COOKIE, client.cookie_header());
        }
        if let Some((content_type, body)) = body {
            request = request.header(header::CONTENT_TYPE, content_type);
            request = request.body(body);
        }
        let response = request.send().await?;
        let headers = response.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        let response = TestResponse {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.text().await?,
        };
        client.store_cookies(&response);
        Ok(response)
    }

    /// Sends the request as [`try_send`](Self::try_send) does.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn send(self) -> TestResponse {
        self.try_send()
            .await
            .unwrap_or_else(|error| panic!("no response: {error:?}"))
    }
}

fn url_encoded(form: &[(&str, &str)]) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(form);
    encoded.finish()
}
