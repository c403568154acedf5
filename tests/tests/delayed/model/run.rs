//! One browser that makes the steps, and the events that Mixpanel must count.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use mengpaneel::outbox::Outbox;
use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestResponse};

use super::baseline::Baseline;
use super::steps::{Request, RequestKind, Step, event_name};
use crate::fake_mixpanel_js::{FakeMixpanelJs, Sent, all_sent};
use crate::scenario::{HeldRequest, Scenario, navigate};
use crate::scenario_app::routes;

/// One browser, and everything that its requests recorded.
pub(super) struct Run {
    app: TestApp,
    client: TestClient,
    js: FakeMixpanelJs,
    /// Cookies before each step.
    cookies: Vec<BTreeMap<String, String>>,
    held: VecDeque<(HeldRequest, Request)>,
    /// Last page, and the cookie of mixpanel-js when it was shown.
    last_page: Option<(TestResponse, String)>,
    baseline: Baseline,
    /// User of each event, if one was identified, by the event's name and number.
    expected: BTreeMap<(String, u64), Option<String>>,
    /// Number of increments: of identified users at least, of all visitors at most.
    increments: RangeInclusive<usize>,
}

impl Run {
    pub(super) fn new(sessions: &SessionConfig, outbox: impl Outbox) -> Self {
        let app = TestApp::with_sessions(sessions, routes, |builder| {
            builder
                .fallback_after(Duration::from_millis(60))
                .outbox(outbox)
        });
        Self {
            client: TestClient::browser(&app.url),
            app,
            js: FakeMixpanelJs::new("d1"),
            cookies: Vec::new(),
            held: VecDeque::new(),
            last_page: None,
            baseline: Baseline::new(sessions),
            expected: BTreeMap::new(),
            increments: 0..=0,
        }
    }

    pub(super) async fn step(&mut self, number: usize, step: Step) {
        let cookie = self.js.cookie();
        let cookies = &mut self.client.cookies;
        cookies.insert("mp_demo_mixpanel".into(), cookie);
        self.cookies.push(cookies.clone());
        self.baseline.save_cookies();
        match step {
            Step::Send(request) => {
                self.expect(number, &request);
                let sent = request.start_step(&mut self.client, number);
                let response = sent.try_send().await.ok();
                self.baseline
                    .send(&request, number, response.as_ref())
                    .await;
                self.show(&request, response);
            }
            Step::Begin(request) => {
                self.expect(number, &request);
                let (start, scenario) = (request.clone(), request.scenario(number));
                let held = HeldRequest::send(&self.app, &self.client, scenario, move |client| {
                    start.start(client)
                });
                let held = held.await;
                self.baseline.begin(&request, number).await;
                self.held.push_back((held, request));
            }
            Step::Finish => self.finish().await,
            Step::RestoreCookies(steps) => {
                if let Some(old) = self.cookies.iter().rev().nth(steps) {
                    self.client.cookies.clone_from(old);
                }
                self.baseline.restore_cookies(steps);
            }
            // With another user the anonymous events of the page would count once more: their keys
            // contain the identity.
            Step::Back => match self.last_page.take() {
                Some((page, cookie)) if cookie == self.js.cookie() => self.js.run(&page),
                _ => {}
            },
        }
    }

    /// Notes what Mixpanel must count of a request.
    fn expect(&mut self, step: usize, request: &Request) {
        let user = request.user_id().map(str::to_owned);
        for number in 1..=request.event_count {
            self.expected
                .insert((event_name(step), number as u64), user.clone());
        }
        // mixpanel-js drops an anonymous increment if no user is identified after it.
        let (least, most) = (
            usize::from(request.increment && user.is_some()),
            usize::from(request.increment),
        );
        self.increments = self.increments.start() + least..=self.increments.end() + most;
    }

    /// Receives the oldest response that is still to come.
    async fn finish(&mut self) {
        let Some((held, request)) = self.held.pop_front() else {
            return;
        };
        let (_, response) = held.finish().await;
        if let Some(response) = &response {
            self.client.store_cookies(response);
        }
        self.baseline.finish(response.as_ref()).await;
        self.show(&request, response);
    }

    /// Runs the calls of a response, if a browser would.
    fn show(&mut self, request: &Request, response: Option<TestResponse>) {
        let runs_calls = matches!(request.kind, RequestKind::Navigation | RequestKind::Capable);
        let Some(response) = response.filter(|_| runs_calls) else {
            return;
        };
        self.js.run(&response);
        let summary = response.call_summary();
        let increments = summary.iter().any(|call| call.contains("increment"));
        if request.kind == RequestKind::Navigation && response.status == 200 && !increments {
            self.last_page = Some((response, self.js.cookie()));
        }
    }

    /// Waits until nothing more arrives, and returns everything that is wrong.
    pub(super) async fn check(mut self) -> Result<(), String> {
        while !self.held.is_empty() {
            self.finish().await;
        }
        let session = navigate(&mut self.client, Scenario::json()).await.body;
        let mut errors = self.baseline.differences(&session).await;
        let (js, store) = (&self.js, &self.app.stand_in);
        let all_arrived = |sent: &[Sent]| {
            self.expected.keys().all(|(name, number)| {
                sent.iter()
                    .any(|event| &event.name == name && event.at == *number)
            })
        };
        let increments = || js.increments.len() + server_increments(store);
        let arrived = store.wait_for(TIMEOUT / 6, |store| {
            (all_arrived(&all_sent([js], &store.events()))
                && increments() >= *self.increments.start())
            .then_some(())
        });
        if arrived.await.is_err() {
            errors.push("calls are lost".to_owned());
        }
        if let Err(error) = self.app.mengpaneel.shutdown(TIMEOUT).await {
            return Err(error.to_string());
        }
        let sent = all_sent([js], &store.events());
        errors.extend(self.wrong_events(&sent));
        if !self.increments.contains(&increments()) {
            let expected = &self.increments;
            errors.push(format!("{} increments of {expected:?}", increments()));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join("\n"))
        }
    }

    /// Events that are lost, duplicated, unexpected or another user's.
    fn wrong_events(&self, sent: &[Sent]) -> Vec<String> {
        let mut errors = Vec::new();
        for ((name, number), user) in &self.expected {
            let copies: Vec<_> = sent
                .iter()
                .filter(|event| &event.name == name && event.at == *number)
                .collect();
            match copies[..] {
                [event] if user.is_none() || &event.user_id == user => {}
                [event] => errors.push(format!("{name} belongs to {user:?}, not to {event:?}")),
                _ => errors.push(format!("{name} {number}: {copies:?}")),
            }
        }
        if sent.len() != self.expected.len() {
            errors.push(format!("{} events of {}", sent.len(), self.expected.len()));
        }
        errors
    }
}

fn server_increments(store: &stand_in::Store) -> usize {
    store
        .profiles()
        .iter()
        .filter(|profile| profile.body.get("$add").is_some())
        .count()
}
