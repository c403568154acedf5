//! The same application without a token, which must respond alike.

use std::collections::{BTreeMap, VecDeque};

use mengpaneel_tests::{SessionConfig, TestApp, TestClient, TestResponse};

use super::steps::Request;
use crate::scenario::{HeldRequest, Scenario, navigate};
use crate::scenario_app::routes;

/// Application without tracking that receives the same requests.
pub(super) struct Baseline {
    app: TestApp,
    client: TestClient,
    /// Cookies before each step.
    cookies: Vec<BTreeMap<String, String>>,
    held: VecDeque<HeldRequest>,
    differences: Vec<String>,
}

impl Baseline {
    pub(super) fn new(sessions: &SessionConfig) -> Self {
        let app = TestApp::disabled(sessions, routes);
        let client = TestClient::browser(&app.url);
        Self {
            app,
            client,
            cookies: Vec::new(),
            held: VecDeque::new(),
            differences: Vec::new(),
        }
    }

    pub(super) fn save_cookies(&mut self) {
        self.cookies.push(self.client.cookies.clone());
    }

    pub(super) fn restore_cookies(&mut self, steps: usize) {
        if let Some(old) = self.cookies.iter().rev().nth(steps) {
            self.client.cookies.clone_from(old);
        }
    }

    /// Sends a request, and compares the response with the one of the tracking application.
    pub(super) async fn send(
        &mut self,
        request: &Request,
        step: usize,
        tracked: Option<&TestResponse>,
    ) {
        let sent = request.start_step(&mut self.client, step);
        let response = sent.try_send().await.ok();
        self.compare(tracked, response.as_ref());
    }

    /// Sends a request whose response comes later.
    pub(super) async fn begin(&mut self, request: &Request, step: usize) {
        let (start, scenario) = (request.clone(), request.scenario(step));
        let held = HeldRequest::send(&self.app, &self.client, scenario, move |client| {
            start.start(client)
        });
        self.held.push_back(held.await);
    }

    /// Receives the oldest response that is still to come, and compares it.
    pub(super) async fn finish(&mut self, tracked: Option<&TestResponse>) {
        let Some(held) = self.held.pop_front() else {
            return;
        };
        let (_, response) = held.finish().await;
        if let Some(response) = &response {
            self.client.store_cookies(response);
        }
        self.compare(tracked, response.as_ref());
    }

    fn compare(&mut self, tracked: Option<&TestResponse>, response: Option<&TestResponse>) {
        let status_and_session = |response: &TestResponse| {
            let mut headers = response.headers.iter();
            let writes_session = headers.any(|(_, value)| value.starts_with("id="));
            (response.status, writes_session)
        };
        let tracked = tracked.map(status_and_session);
        let response = response.map(status_and_session);
        if tracked != response {
            self.differences
                .push(format!("{tracked:?} with tracking, {response:?} without"));
        }
    }

    /// Returns all differences, also in the content of the session.
    pub(super) async fn differences(&mut self, tracked_session: &str) -> Vec<String> {
        let session = navigate(&mut self.client, Scenario::json()).await.body;
        let mut differences = std::mem::take(&mut self.differences);
        if tracked_session != session {
            differences.push(format!(
                "the session is {tracked_session}, and {session} without tracking"
            ));
        }
        differences
    }
}
