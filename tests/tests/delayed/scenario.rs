//! Scenario of one request: a typed description of the handler's work, sent in a header.

use mengpaneel_tests::{RequestBuilder, TestApp, TestClient, TestResponse};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

/// Header that carries a [`Scenario`] as JSON. A query parameter would lengthen the recorded URL.
pub(crate) const HEADER: &str = "x-scenario";

/// Everything that the handler does for one request, in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Scenario {
    /// Calls `alias` before setup.
    pub(crate) alias: Option<String>,
    pub(crate) setup: Setup,
    pub(crate) session: SessionChange,
    /// Value of the session key of delayed calls: JSON, or any other text.
    pub(crate) raw_session_value: Option<String>,
    pub(crate) events: Vec<Events>,
    /// Calls `people.increment` for this property.
    pub(crate) increment: Option<String>,
    /// Calls `people.set` for this property.
    pub(crate) set: Option<String>,
    /// Waits until the gate of this name opens.
    pub(crate) gate: Option<String>,
    pub(crate) outcome: Outcome,
    /// Status of a page or redirect.
    pub(crate) status: Option<u16>,
    pub(crate) cache_control: Option<String>,
    /// Length of the value of an extra cookie.
    pub(crate) cookie_bytes: usize,
}

/// Setup that the request records.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) enum Setup {
    /// Leaves the setup undecided.
    #[default]
    Undecided,
    /// Decides that nobody is signed in.
    Anonymous,
    Identify(String),
}

/// Change of the application's session.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) enum SessionChange {
    #[default]
    Nothing,
    Renew,
    Clear,
    Purge,
    /// Stores a value under the key `value`.
    Insert(String),
}

/// Events of one name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Events {
    pub(crate) name: String,
    pub(crate) count: usize,
}

/// End of the handler.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) enum Outcome {
    /// HTML page, status 200 by default.
    #[default]
    Page,
    /// JSON with the session's value under the key `value`.
    Json,
    /// Redirect to this location, status 303 by default.
    Redirect(String),
    /// Error from the handler, status 500.
    Error,
    Panic,
}

impl Scenario {
    /// Scenario that ends with an HTML page.
    pub(crate) fn page() -> Self {
        Self::default()
    }

    /// Scenario that ends with a redirect to `/`.
    pub(crate) fn redirect() -> Self {
        Self::redirect_to("/")
    }

    /// Scenario that ends with a redirect to this location.
    pub(crate) fn redirect_to(location: impl Into<String>) -> Self {
        Self::ending(Outcome::Redirect(location.into()))
    }

    /// Scenario that ends with the session's value as JSON.
    pub(crate) fn json() -> Self {
        Self::ending(Outcome::Json)
    }

    /// Scenario with this outcome.
    pub(crate) fn ending(outcome: Outcome) -> Self {
        Self {
            outcome,
            ..Self::default()
        }
    }

    /// Redirect that identifies user 42 and tracks `Buy`.
    pub(crate) fn buy() -> Self {
        Self::redirect().identify("42").track("Buy")
    }

    pub(crate) fn alias(mut self, id: &str) -> Self {
        self.alias = Some(id.to_owned());
        self
    }

    pub(crate) fn identify(mut self, id: &str) -> Self {
        self.setup = Setup::Identify(id.to_owned());
        self
    }

    pub(crate) fn anonymous(mut self) -> Self {
        self.setup = Setup::Anonymous;
        self
    }

    pub(crate) fn session(mut self, change: SessionChange) -> Self {
        self.session = change;
        self
    }

    pub(crate) fn insert_session(self, value: impl Into<String>) -> Self {
        self.session(SessionChange::Insert(value.into()))
    }

    pub(crate) fn raw_session_value(mut self, value: &str) -> Self {
        self.raw_session_value = Some(value.to_owned());
        self
    }

    pub(crate) fn track(self, name: impl Into<String>) -> Self {
        self.track_times(name, 1)
    }

    /// Tracks an event several times, each with its number in the property `At`.
    pub(crate) fn track_times(mut self, name: impl Into<String>, count: usize) -> Self {
        let name = name.into();
        self.events.push(Events { name, count });
        self
    }

    pub(crate) fn increment(mut self, property: &str) -> Self {
        self.increment = Some(property.to_owned());
        self
    }

    pub(crate) fn set(mut self, property: &str) -> Self {
        self.set = Some(property.to_owned());
        self
    }

    pub(crate) fn gate(mut self, name: impl Into<String>) -> Self {
        self.gate = Some(name.into());
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn cache_control(mut self, value: &str) -> Self {
        self.cache_control = Some(value.to_owned());
        self
    }

    pub(crate) fn cookie_bytes(mut self, bytes: usize) -> Self {
        self.cookie_bytes = bytes;
        self
    }

    /// Value of the header [`HEADER`].
    pub(crate) fn header_value(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}

/// Requests that carry a scenario.
pub(crate) trait WithScenario {
    /// Adds the scenario to the request.
    fn scenario(self, scenario: &Scenario) -> Self;
}

impl WithScenario for RequestBuilder<'_> {
    fn scenario(self, scenario: &Scenario) -> Self {
        self.header(HEADER, &scenario.header_value())
    }
}

/// Navigates to `/`, whose handler runs the scenario.
pub(crate) async fn navigate(client: &mut TestClient, scenario: Scenario) -> TestResponse {
    client.get("/").scenario(&scenario).send().await
}

/// Requests `/` without the headers of a navigation.
pub(crate) async fn fetch(client: &mut TestClient, scenario: Scenario) -> TestResponse {
    let request = client.request(Method::GET, "/");
    request.scenario(&scenario).send().await
}

/// Calls of the next page, in short form.
pub(crate) async fn next_page(client: &mut TestClient) -> Vec<String> {
    client.get("/").send().await.call_summary()
}

/// Value that the application has in its session.
pub(crate) async fn session_value(client: &mut TestClient) -> serde_json::Value {
    navigate(client, Scenario::json()).await.json()["value"].clone()
}

/// Waits until a handler has reached the gate of this name.
pub(crate) async fn wait_until_reached(app: &TestApp, gate: &str) {
    let mut client = TestClient::machine(&app.url);
    client.get(&format!("/reached/{gate}")).send().await;
}

/// Request whose handler waits at a gate.
pub(crate) struct HeldRequest {
    gate: String,
    opener: TestClient,
    response: JoinHandle<(TestClient, Option<TestResponse>)>,
}

impl HeldRequest {
    /// Sends a request from a copy of the client, and waits until its handler is at the gate.
    pub(crate) async fn send(
        app: &TestApp,
        client: &TestClient,
        scenario: Scenario,
        request: impl FnOnce(&mut TestClient) -> RequestBuilder<'_> + Send + 'static,
    ) -> Self {
        let gate = uuid::Uuid::new_v4().to_string();
        let scenario = scenario.gate(gate.as_str());
        let mut client = client.clone();
        let response = tokio::spawn(async move {
            let request = request(&mut client).scenario(&scenario);
            let response = request.try_send().await.ok();
            (client, response)
        });
        wait_until_reached(app, &gate).await;
        let opener = TestClient::machine(&app.url);
        Self {
            gate,
            opener,
            response,
        }
    }

    /// Sends a navigation that ends with a page.
    pub(crate) async fn navigate(app: &TestApp, client: &TestClient) -> Self {
        Self::send(app, client, Scenario::page(), |client| client.get("/")).await
    }

    /// Opens the gate, and returns the client and its response, if one came.
    pub(crate) async fn finish(mut self) -> (TestClient, Option<TestResponse>) {
        let path = format!("/open/{}", self.gate);
        self.opener.get(&path).send().await;
        self.response.await.unwrap()
    }

    /// Opens the gate, and returns the response.
    pub(crate) async fn response(self) -> TestResponse {
        self.finish().await.1.unwrap()
    }
}
