//! Random steps of a browser.

use mengpaneel_tests::{RequestBuilder, TestClient};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use reqwest::Method;

use crate::scenario::{Outcome, Scenario, SessionChange, Setup, WithScenario as _};

/// Next action of the browser.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends a request, and waits for its response.
    Send(Request),
    /// Sends a request with the current cookies; its response comes later.
    Begin(Request),
    /// Receives the oldest response that is still to come.
    Finish,
    /// Replaces the cookies by those of this many steps ago.
    RestoreCookies(usize),
    /// Shows the last page again, from the browser's cache.
    Back,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: RequestKind,
    user: User,
    alias: bool,
    session: SessionChange,
    pub(super) event_count: usize,
    pub(super) increment: bool,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    Navigation,
    Capable,
    Fetch,
    Image,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    /// Leaves the setup undecided.
    Undecided,
    Anonymous,
    Id(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Page,
    Redirect,
    CrossOriginRedirect,
    Json,
    Panic,
    Error,
    /// Page, followed by an error of a middleware.
    FailingMiddleware,
}

fn request() -> impl Strategy<Value = Request> {
    let kind = prop_oneof![
        3 => Just(RequestKind::Navigation),
        1 => Just(RequestKind::Capable),
        1 => Just(RequestKind::Fetch),
        1 => Just(RequestKind::Image),
    ];
    let user = prop_oneof![
        2 => Just(User::Undecided),
        1 => Just(User::Anonymous),
        2 => Just(User::Id("1")),
        1 => Just(User::Id("2")),
        1 => Just(User::Id("3")),
    ];
    let session = prop_oneof![
        3 => Just(SessionChange::Nothing),
        1 => Just(SessionChange::Insert("value".to_owned())),
        1 => Just(SessionChange::Renew),
        1 => Just(SessionChange::Purge),
        1 => Just(SessionChange::Clear),
    ];
    let ending = select(vec![
        Ending::Page,
        Ending::Page,
        Ending::Redirect,
        Ending::Redirect,
        Ending::Redirect,
        Ending::Json,
        Ending::Panic,
        Ending::Error,
        Ending::FailingMiddleware,
        Ending::CrossOriginRedirect,
    ]);
    let event_count = prop_oneof![4 => 0..3_usize, 1 => 3..25_usize];
    (
        kind,
        user,
        any::<bool>(),
        session,
        event_count,
        any::<bool>(),
        ending,
    )
        .prop_map(
            |(kind, user, alias, session, event_count, increment, ending)| Request {
                kind,
                user,
                alias,
                session,
                event_count,
                increment: increment && ending == Ending::Redirect,
                ending,
            },
        )
}

/// Steps in a browser of one user who signed up in it, or of several who signed up elsewhere.
///
/// mixpanel-js itself takes an `alias` of another user than the identified one for a change of
/// `$user_id` alone.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    (any::<bool>(), vec(step(), 1..25)).prop_map(|(is_one_user, mut steps)| {
        for step in &mut steps {
            let (Step::Send(request) | Step::Begin(request)) = step else {
                continue;
            };
            match request.user {
                User::Id(_) if is_one_user => request.user = User::Id("1"),
                User::Undecided | User::Anonymous | User::Id(_) => request.alias = false,
            }
        }
        steps
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => request().prop_map(Step::Send),
        3 => request().prop_map(Step::Begin),
        3 => Just(Step::Finish),
        1 => (1..6_usize).prop_map(Step::RestoreCookies),
        1 => Just(Step::Back),
    ]
}

/// Name of the events of one step.
pub(super) fn event_name(step: usize) -> String {
    format!("E{step}")
}

impl Request {
    /// User whom the request identifies.
    pub(super) fn user_id(&self) -> Option<&'static str> {
        match self.user {
            User::Undecided | User::Anonymous => None,
            User::Id(id) => Some(id),
        }
    }

    pub(super) fn scenario(&self, step: usize) -> Scenario {
        let outcome = match self.ending {
            Ending::Page | Ending::FailingMiddleware => Outcome::Page,
            Ending::Redirect => Outcome::Redirect("/".to_owned()),
            Ending::CrossOriginRedirect => Outcome::Redirect("https://pay.example/".to_owned()),
            Ending::Json => Outcome::Json,
            Ending::Panic => Outcome::Panic,
            Ending::Error => Outcome::Error,
        };
        Scenario {
            alias: self.user_id().filter(|_| self.alias).map(str::to_owned),
            setup: match self.user {
                User::Undecided => Setup::Undecided,
                User::Anonymous => Setup::Anonymous,
                User::Id(id) => Setup::Identify(id.to_owned()),
            },
            session: self.session.clone(),
            increment: self.increment.then(|| "Posts".to_owned()),
            ..Scenario::ending(outcome).track_times(event_name(step), self.event_count)
        }
    }

    /// Starts the request, without its scenario.
    pub(super) fn start<'a>(&self, client: &'a mut TestClient) -> RequestBuilder<'a> {
        let path = match self.ending {
            Ending::FailingMiddleware => "/failing",
            _ => "/",
        };
        match self.kind {
            RequestKind::Navigation => client.get(path),
            RequestKind::Capable => client.request(Method::GET, path).capable(),
            RequestKind::Fetch => client
                .request(Method::GET, path)
                .header("sec-fetch-dest", "empty"),
            RequestKind::Image => client
                .request(Method::GET, path)
                .header("sec-fetch-mode", "no-cors"),
        }
    }

    /// Starts the request of one step.
    pub(super) fn start_step<'a>(
        &self,
        client: &'a mut TestClient,
        step: usize,
    ) -> RequestBuilder<'a> {
        self.start(client).scenario(&self.scenario(step))
    }
}
