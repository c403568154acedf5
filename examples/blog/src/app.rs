//! The blog as a whole: its routes, its threads, and the stand-in beside it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_session::SessionMiddleware;
use actix_session::storage::{CookieSessionStore, RedisSessionStore, SessionStore};
use actix_web::cookie::Key;
use actix_web::dev::ServerHandle;
use actix_web::middleware::{Condition, from_fn};
use actix_web::rt::System;
use actix_web::{App, HttpServer, rt, web};
use mengpaneel::{BuildError, Mengpaneel};
use stand_in::{LivePage, StandIn, Store};
use thiserror::Error;

use crate::config::{Config, Outbox, SessionStorage};
use crate::db::Db;
use crate::demo::Demo;
use crate::library::{Choice, Library};
use crate::login::LoginStorage;
use crate::{live, pages, payments, plan, posts, problem, sessions, spa, users};

/// How long a stop waits for requests that are being answered, in seconds.
const PATIENCE: u64 = 10;

/// How long a stop waits for Mixpanel.
const DELIVERY: Duration = Duration::from_secs(10);

/// Longest wait for the Redis that keeps sessions.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the blog did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or is none.
    #[error("cannot listen on {address}: {why}; choose another with BIND")]
    Bind {
        /// The address.
        address: String,
        /// What the system said.
        why: io::Error,
    },
    /// A value that the library refuses.
    #[error("{variable}{error}")]
    Mengpaneel {
        /// Variable that holds the value, with a colon; empty where no variable holds it.
        variable: &'static str,
        /// Reason.
        error: BuildError,
    },
    /// The Redis that keeps sessions does not answer.
    #[error(
        "SESSION: cannot connect to that Redis ({reason}); start it, or use `cookie` or `none`"
    )]
    Session {
        /// Reason.
        reason: String,
    },
    /// The machine has no thread or port left.
    #[error("cannot start: {0}")]
    Machine(#[from] io::Error),
}

impl From<BuildError> for StartError {
    fn from(error: BuildError) -> Self {
        let variable = match &error {
            BuildError::JsConfig(_)
            | BuildError::JsOption { .. }
            | BuildError::OptOutStorage
            | BuildError::PageUrl {
                option: "js_config",
                ..
            } => "JS_CONFIG: ",
            BuildError::PageUrl {
                option: "lib_url", ..
            } => "MIXPANEL_LIB_URL: ",
            BuildError::PageUrl { .. } => "MIXPANEL_JS_API_HOST: ",
            BuildError::ApiHost(_) => "MIXPANEL_API_HOST: ",
            BuildError::Outbox(_) => "OUTBOX: ",
            _ => "",
        };
        Self::Mengpaneel { variable, error }
    }
}

/// A running blog, on threads of its own.
#[derive(Debug)]
pub struct Blog {
    address: SocketAddr,
    stand_in: StandIn,
    library: Library,
    notices: Vec<String>,
    mengpaneel: Mengpaneel,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Blog {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// [`StartError`] says what is in the way.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let choice = Choice::begin(&config.token, config.lib_url.as_deref())?;
        let stand_in = StandIn::try_start()?;
        let library = choice.end(stand_in.small_library_url());
        let (send, receive) = mpsc::channel();
        let mengpaneel = mengpaneel(&config, &library, &stand_in.url())?;
        let demo = Demo::new(&config, &library);
        let notices = demo.notices.clone();
        let shared = Shared::new(mengpaneel.clone(), stand_in.store(), demo);
        let thread = thread::Builder::new()
            .name("blog".to_owned())
            .spawn(move || {
                let started = |address, handle| {
                    let _ = send.send(Ok((address, handle)));
                };
                if let Err(error) = System::new().block_on(serve(config, shared, started)) {
                    let _ = send.send(Err(error));
                }
            })?;
        let (address, handle) = receive
            .recv()
            .map_err(|_| io::Error::other("its thread ended at once"))??;
        Ok(Self {
            address,
            stand_in,
            library,
            notices,
            mengpaneel,
            running: Some(Running { handle, thread }),
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The stand-in for Mixpanel, which hears what no other host was named for.
    #[must_use]
    pub fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// Script that pages load as mixpanel-js.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Sentences about what differs from the plain demo, or what is missing on this machine.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What delivers to Mixpanel, for jobs.
    #[must_use]
    pub fn mengpaneel(&self) -> &Mengpaneel {
        &self.mengpaneel
    }

    /// The page that shows what arrived.
    #[must_use]
    pub fn live_url(&self) -> String {
        self.url() + "/live"
    }

    /// Answers what was asked, delivers what waits, and ends.
    pub fn stop(mut self) {
        self.end(true);
    }

    fn end(&mut self, graceful: bool) {
        if let Some(Running { handle, thread }) = self.running.take() {
            // The command is sent at once; the future only waits for its end, as does the join.
            drop(handle.stop(graceful));
            let _ = thread.join();
        }
    }
}

impl Drop for Blog {
    fn drop(&mut self) {
        self.end(false);
    }
}

fn mengpaneel(
    config: &Config,
    library: &Library,
    stand_in: &str,
) -> Result<Mengpaneel, BuildError> {
    let mut builder = Mengpaneel::builder(config.token.as_str())
        .api_host(config.api_host.as_deref().unwrap_or(stand_in))
        .js_api_host(config.js_api_host.as_deref().unwrap_or(stand_in))
        .js_config(config.js_config.clone())
        // Carries the calls of redirects to the next page. A new one at every start: so is the
        // database.
        .cookie_key(Key::generate());
    if let Some(url) = library.url() {
        builder = builder.lib_url(url);
    }
    match &config.outbox {
        Outbox::Memory => builder,
        Outbox::At(url) => builder.outbox(mengpaneel::outbox::from_url(url)?),
        Outbox::None => builder.no_outbox(),
    }
    .build()
}

/// What the threads share.
#[derive(Clone)]
struct Shared {
    db: web::Data<Db>,
    key: Key,
    mengpaneel: Mengpaneel,
    store: Store,
    demo: web::Data<Demo>,
    listener: tracing::Dispatch,
}

impl Shared {
    fn new(mengpaneel: Mengpaneel, store: Store, demo: Demo) -> Self {
        Self {
            db: web::Data::new(Db::default()),
            // A new one at every start: whom it would remember, the tables have forgotten.
            key: Key::generate(),
            mengpaneel,
            demo: web::Data::new(demo),
            listener: live::listener(store.clone()),
            store,
        }
    }
}

async fn serve(
    config: Config,
    shared: Shared,
    started: impl FnOnce(SocketAddr, ServerHandle),
) -> Result<(), StartError> {
    match &config.session {
        SessionStorage::Redis(url) => {
            let store = connect(url).await?;
            serve_with(config, shared, move || store.clone(), started).await
        }
        // Where there are no sessions, the store stays unused.
        SessionStorage::Cookie | SessionStorage::None => {
            serve_with(config, shared, CookieSessionStore::default, started).await
        }
    }
}

/// Connects to the Redis that keeps sessions.
async fn connect(url: &str) -> Result<RedisSessionStore, StartError> {
    let failed = |reason| StartError::Session { reason };
    match rt::time::timeout(SESSION_TIMEOUT, RedisSessionStore::new(url)).await {
        Ok(connected) => connected.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(format!(
            "no answer within {} s",
            SESSION_TIMEOUT.as_secs()
        ))),
    }
}

async fn serve_with<S: SessionStore + 'static>(
    config: Config,
    shared: Shared,
    store: impl Fn() -> S + Clone + Send + 'static,
    started: impl FnOnce(SocketAddr, ServerHandle),
) -> Result<(), StartError> {
    let mengpaneel = shared.mengpaneel.clone();
    let has_sessions = config.session != SessionStorage::None;
    let login = if has_sessions {
        LoginStorage::Session
    } else {
        LoginStorage::Cookie(shared.key.clone())
    };
    let identity = config.identity;
    let links = vec![
        ("/", "Blog"),
        ("/live", "Events received"),
        ("/plan", "Tracking plan"),
    ];
    let Demo { notices, elsewhere } = shared.demo.get_ref().clone();
    let live = LivePage {
        links,
        elsewhere,
        notices,
    };
    let app = move || {
        let sessions = SessionMiddleware::builder(store(), shared.key.clone())
            .cookie_secure(false)
            .build();
        App::new()
            // Lives as long as the worker's thread, whose events it hears.
            .app_data(Rc::new(tracing::dispatcher::set_default(&shared.listener)))
            .app_data(shared.db.clone())
            .app_data(shared.demo.clone())
            .app_data(login.clone())
            .app_data(identity)
            // Beside what is tracked: it shows what the rest does.
            .configure(stand_in::live_page(&shared.store, &live))
            .configure(plan::routes)
            .service(
                web::scope("")
                    .configure(routes)
                    .wrap(from_fn(problem::explain))
                    .wrap(shared.mengpaneel.with_setup(sessions::signed_in))
                    .wrap(Condition::new(has_sessions, sessions)),
            )
    };
    let mut server = HttpServer::new(app)
        .disable_signals()
        .shutdown_timeout(PATIENCE);
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    let bound = server.bind(&config.bind).map_err(|why| StartError::Bind {
        address: config.bind.clone(),
        why,
    })?;
    let address = bound
        .addrs()
        .first()
        .copied()
        .ok_or_else(|| io::Error::other("it listens nowhere"))?;
    let server = bound.run();
    started(address, server.handle());
    server.await?;
    if let Err(error) = mengpaneel.shutdown(DELIVERY).await {
        tracing::error!("{error}");
    }
    Ok(())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(pages::home)
        .service(users::sign_up_page)
        .service(users::sign_up)
        .service(sessions::sign_in_page)
        .service(sessions::sign_in)
        .service(sessions::sign_out)
        .service(sessions::sign_out_by_form)
        .service(posts::create_post)
        .service(posts::export_posts)
        .service(posts::show_post)
        .service(posts::feed)
        .service(payments::payment_notification)
        .service(spa::page)
        .service(mengpaneel::script())
        .default_service(web::to(problem::no_such_page));
}
