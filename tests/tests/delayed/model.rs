//! Random sequences of requests, against a model of what Mixpanel must have counted at the end:
//! each event once, and as its user's. `PROPTEST_CASES` says how many sequences.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use mengpaneel::outbox::{self, Outbox};
use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestRedis, TestResponse};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use tokio::task::JoinHandle;

use crate::fake_mixpanel_js::{self, FakeMixpanelJs};
use crate::routes;

/// What a browser does next.
#[derive(Clone, Debug)]
enum Step {
    /// Asks, and has the answer before anything else happens.
    Ask(Request),
    /// Asks, with the cookies of now; the answer comes later.
    Begin(Request),
    /// The oldest of those answers comes.
    Finish,
    /// Sends cookies of some steps ago from now on.
    OldCookies(usize),
    /// Shows the last page again, from its cache.
    Back,
}

#[derive(Clone, Debug)]
struct Request {
    way: Way,
    /// `-` says that nobody is there, nothing says nothing.
    who: &'static str,
    alias: bool,
    session: &'static str,
    events: usize,
    increment: bool,
    answer: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Navigation,
    Capable,
    Fetch,
    Image,
}

fn request() -> impl Strategy<Value = Request> {
    let way = select(vec![
        Way::Navigation,
        Way::Navigation,
        Way::Navigation,
        Way::Capable,
        Way::Fetch,
        Way::Image,
    ]);
    let who = select(vec!["", "", "-", "1", "1", "2", "3"]);
    let session = select(vec!["", "", "", "own", "renew", "purge", "clear"]);
    let answer = select(vec![
        "page",
        "page",
        "/",
        "/",
        "/",
        "json",
        "panic",
        "err",
        "failing",
        "https://pay.example/",
    ]);
    let events = prop_oneof![4 => 0..3_usize, 1 => 3..25_usize];
    (
        way,
        who,
        any::<bool>(),
        session,
        events,
        any::<bool>(),
        answer,
    )
        .prop_map(
            |(way, who, alias, session, events, increment, answer)| Request {
                way,
                who,
                alias,
                session,
                events,
                increment: increment && answer.starts_with('/'),
                answer,
            },
        )
}

/// A browser of one user who signed up in it, or of several who did elsewhere: mixpanel-js itself
/// takes an `alias` for another than who is identified for a change of `$user_id` alone.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    (any::<bool>(), vec(step(), 1..25)).prop_map(|(is_one_user, mut steps)| {
        for step in &mut steps {
            let (Step::Ask(request) | Step::Begin(request)) = step else {
                continue;
            };
            match request.who {
                "" | "-" => request.alias = false,
                _ if is_one_user => request.who = "1",
                _ => request.alias = false,
            }
        }
        steps
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => request().prop_map(Step::Ask),
        3 => request().prop_map(Step::Begin),
        3 => Just(Step::Finish),
        1 => (1..6_usize).prop_map(Step::OldCookies),
        1 => Just(Step::Back),
    ]
}

impl Request {
    fn path(&self, at: usize, gate: &str) -> String {
        let Self {
            who,
            session,
            events,
            answer,
            ..
        } = self;
        let (base, then) = match *answer {
            "failing" => ("/failing", ""),
            "page" => ("/", ""),
            other => ("/", other),
        };
        let alias = if self.alias { who } else { "" };
        let track = if *events == 0 {
            String::new()
        } else {
            format!("E{at}*{events}")
        };
        let increment = if self.increment { "Posts" } else { "" };
        format!(
            "{base}?who={who}&alias={alias}&session={session}&track={track}&increment={increment}&gate={gate}&then={then}"
        )
    }

    async fn send(&self, visitor: &mut TestClient, path: &str) -> Option<TestResponse> {
        let ask = match self.way {
            Way::Navigation => visitor.get(path),
            Way::Capable => visitor.request(Method::GET, path).capable(),
            Way::Fetch => visitor
                .request(Method::GET, path)
                .header("sec-fetch-dest", "empty"),
            Way::Image => visitor
                .request(Method::GET, path)
                .header("sec-fetch-mode", "no-cors"),
        };
        ask.try_send().await.ok()
    }
}

/// An answer that is still to come, and to what.
type Answer = JoinHandle<(Option<TestResponse>, Request)>;

/// One browser, and what its requests recorded.
struct Run {
    app: TestApp,
    visitor: TestClient,
    js: FakeMixpanelJs,
    cookies: Vec<BTreeMap<String, String>>,
    slow: VecDeque<(String, Answer)>,
    shown: Option<(TestResponse, String)>,
    /// The same application without a token, asked the same.
    twin: Twin,
    /// Events by name and place, and whose they are where somebody was identified.
    expected: BTreeMap<(String, u64), Option<String>>,
    /// Operations that count twice: of who was identified, and of anybody.
    increments: RangeInclusive<usize>,
}

impl Run {
    fn new(sessions: &SessionConfig, outbox: impl Outbox) -> Self {
        let app = TestApp::with_sessions(sessions, routes::routes, |builder| {
            builder
                .unclaimed_after(Duration::from_millis(60))
                .outbox(outbox)
        });
        Self {
            visitor: TestClient::browser(&app.url),
            app,
            js: FakeMixpanelJs::new("d1"),
            cookies: Vec::new(),
            slow: VecDeque::new(),
            shown: None,
            twin: Twin::new(sessions),
            expected: BTreeMap::new(),
            increments: 0..=0,
        }
    }

    async fn step(&mut self, at: usize, step: Step) {
        self.visitor
            .cookies
            .insert("mp_demo_mixpanel".into(), self.js.cookie());
        self.cookies.push(self.visitor.cookies.clone());
        self.twin.cookies.push(self.twin.visitor.cookies.clone());
        match step {
            Step::Ask(request) => {
                self.expect(at, &request);
                let page = request.send(&mut self.visitor, &request.path(at, "")).await;
                let other = request
                    .send(&mut self.twin.visitor, &request.path(at, ""))
                    .await;
                self.compare(page.as_ref(), other.as_ref());
                self.show(&request, page);
            }
            Step::Begin(request) => {
                self.expect(at, &request);
                let gate = format!("g{at}");
                let path = request.path(at, &gate);
                for (visitor, app, slow) in [
                    (&self.visitor, &self.app, &mut self.slow),
                    (&self.twin.visitor, &self.twin.app, &mut self.twin.slow),
                ] {
                    let (mut visitor, path, request) =
                        (visitor.clone(), path.clone(), request.clone());
                    let asked =
                        tokio::spawn(
                            async move { (request.send(&mut visitor, &path).await, request) },
                        );
                    gatekeeper(app)
                        .get(&format!("/reached/{gate}"))
                        .send()
                        .await;
                    slow.push_back((gate.clone(), asked));
                }
            }
            Step::Finish => self.finish().await,
            Step::OldCookies(ago) => {
                if let Some(old) = self.cookies.iter().rev().nth(ago) {
                    self.visitor.cookies.clone_from(old);
                }
                if let Some(old) = self.twin.cookies.iter().rev().nth(ago) {
                    self.twin.visitor.cookies.clone_from(old);
                }
            }
            // An event of nobody would be another's if another is there by now: no key tells that.
            Step::Back => match self.shown.take() {
                Some((page, cookie)) if cookie == self.js.cookie() => self.js.run(&page),
                _ => {}
            },
        }
    }

    fn expect(&mut self, at: usize, request: &Request) {
        let whose = Some(request.who.to_owned()).filter(|who| !matches!(who.as_str(), "" | "-"));
        for place in 1..=request.events {
            self.expected
                .insert((format!("E{at}"), place as u64), whose.clone());
        }
        // One of nobody's is dropped where nobody is identified after it, as in mixpanel-js.
        let (least, most) = (
            usize::from(request.increment && whose.is_some()),
            usize::from(request.increment),
        );
        self.increments = self.increments.start() + least..=self.increments.end() + most;
    }

    async fn finish(&mut self) {
        let Some((page, request)) = finish(&self.app, &mut self.slow, &mut self.visitor).await
        else {
            return;
        };
        let other = finish(&self.twin.app, &mut self.twin.slow, &mut self.twin.visitor).await;
        self.compare(page.as_ref(), other.and_then(|(page, _)| page).as_ref());
        self.show(&request, page);
    }

    /// Notes where the application answers otherwise than it would without tracking.
    fn compare(&mut self, page: Option<&TestResponse>, other: Option<&TestResponse>) {
        let seen = |page: &TestResponse| {
            (
                page.status,
                page.headers
                    .iter()
                    .any(|(_, value)| value.starts_with("id=")),
            )
        };
        let (page, other) = (page.map(seen), other.map(seen));
        if page != other {
            self.twin
                .differences
                .push(format!("{page:?} with tracking, {other:?} without"));
        }
    }

    /// Content of the session, with tracking and without.
    async fn sessions(&mut self) -> [String; 2] {
        let with = self.visitor.get("/?then=json").send().await;
        let without = self.twin.visitor.get("/?then=json").send().await;
        [with.body, without.body]
    }

    fn show(&mut self, request: &Request, page: Option<TestResponse>) {
        let Some(page) = page.filter(|_| matches!(request.way, Way::Navigation | Way::Capable))
        else {
            return;
        };
        self.js.run(&page);
        let repeats = page
            .call_summary()
            .iter()
            .any(|said| said.contains("increment"));
        if request.way == Way::Navigation && page.status == 200 && !repeats {
            self.shown = Some((page, self.js.cookie()));
        }
    }

    /// Waits until nothing more comes, and says what is wrong.
    async fn verdict(mut self) -> Result<(), String> {
        while !self.slow.is_empty() {
            self.finish().await;
        }
        let [with, without] = self.sessions().await;
        let (js, store) = (&self.js, &self.app.stand_in);
        let all_there = |sent: &[fake_mixpanel_js::Sent]| {
            self.expected
                .keys()
                .all(|(name, place)| sent.iter().any(|one| &one.name == name && one.at == *place))
        };
        let increments = || js.increments.len() + increments_by_server(store);
        let waited = store.wait_for(TIMEOUT / 6, |store| {
            (all_there(&fake_mixpanel_js::all([js], &store.events()))
                && increments() >= *self.increments.start())
            .then_some(())
        });
        let came = waited.await.map_err(|_| "lost").err();
        if let Err(error) = self.app.mengpaneel.shutdown(TIMEOUT).await {
            return Err(error.to_string());
        }
        let sent = fake_mixpanel_js::all([js], &store.events());
        let mut wrong = Vec::from_iter(came.map(str::to_owned));
        wrong.append(&mut self.twin.differences);
        if with != without {
            wrong.push(format!(
                "the session is {with}, and {without} without tracking"
            ));
        }
        for ((name, place), whose) in &self.expected {
            let copies: Vec<_> = sent
                .iter()
                .filter(|one| &one.name == name && one.at == *place)
                .collect();
            match copies[..] {
                [one] if whose.is_none() || &one.user_id == whose => {}
                [one] => wrong.push(format!("{name} is {whose:?}'s, not {one:?}")),
                _ => wrong.push(format!("{name} {place}: {copies:?}")),
            }
        }
        if sent.len() != self.expected.len() {
            wrong.push(format!("{} events of {}", sent.len(), self.expected.len()));
        }
        if !self.increments.contains(&increments()) {
            wrong.push(format!(
                "{} increments of {:?}",
                increments(),
                self.increments
            ));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    }
}

/// The application without a token, which a run is compared with.
struct Twin {
    app: TestApp,
    visitor: TestClient,
    cookies: Vec<BTreeMap<String, String>>,
    slow: VecDeque<(String, Answer)>,
    differences: Vec<String>,
}

impl Twin {
    fn new(sessions: &SessionConfig) -> Self {
        let app = TestApp::disabled(sessions, routes::routes);
        let visitor = TestClient::browser(&app.url);
        Self {
            app,
            visitor,
            cookies: Vec::new(),
            slow: VecDeque::new(),
            differences: Vec::new(),
        }
    }
}

fn gatekeeper(app: &TestApp) -> TestClient {
    TestClient::machine(&app.url)
}

/// Lets the oldest slow request go on, and keeps the cookies of its answer.
async fn finish(
    app: &TestApp,
    slow: &mut VecDeque<(String, Answer)>,
    visitor: &mut TestClient,
) -> Option<(Option<TestResponse>, Request)> {
    let (gate, asked) = slow.pop_front()?;
    gatekeeper(app).get(&format!("/open/{gate}")).send().await;
    let (page, request) = asked.await.unwrap();
    if let Some(page) = &page {
        visitor.store_cookies(page);
    }
    Some((page, request))
}

fn increments_by_server(store: &stand_in::Store) -> usize {
    store
        .profiles()
        .iter()
        .filter(|one| one.body.get("$add").is_some())
        .count()
}

#[test]
fn whatever_a_browser_does_each_event_is_counted_once_as_its_users() {
    let redis = TestRedis::start();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(24);
    let config = Config {
        cases,
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sessions = select(vec![
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ]);
    let folder = std::env::temp_dir().join(format!("mengpaneel-model-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let ran = TestRunner::new(config).run(
        &(sessions, any::<bool>(), steps()),
        |(sessions, is_durable, steps)| {
            let verdict = runtime.block_on(async {
                let file = format!(
                    "file:{}",
                    folder.join(uuid::Uuid::new_v4().to_string()).display()
                );
                let mut run = Run::new(
                    &sessions,
                    outbox::at(if is_durable { &file } else { "memory" }).unwrap(),
                );
                for (at, step) in steps.into_iter().enumerate() {
                    run.step(at, step).await;
                }
                run.verdict().await
            });
            verdict.map_err(TestCaseError::fail)
        },
    );
    std::fs::remove_dir_all(folder).unwrap();
    ran.unwrap_or_else(|error| panic!("{error}"));
}
