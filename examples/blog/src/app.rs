//! The blog's server: routes, threads, and the stand-in for Mixpanel.

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
use crate::library::{Library, LibraryChoice};
use crate::login::LoginStorage;
use crate::{error, live, pages, payments, plan, posts, sessions, spa, users};

/// Longest wait for requests in flight at shutdown, in seconds.
const SHUTDOWN_TIMEOUT_SECS: u64 = 10;

/// Longest wait for deliveries to Mixpanel at shutdown.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for a connection to the Redis that stores sessions.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Error of [`Blog::start`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is in use or invalid.
    #[error("cannot listen on {address}: {reason}; choose another address with BIND")]
    Bind {
        /// Address, as configured.
        address: String,
        /// Error of the operating system.
        reason: io::Error,
    },
    /// The library rejects a value.
    #[error("{variable}{error}")]
    Mengpaneel {
        /// Variable that holds the value, with a colon. Empty if no variable holds it.
        variable: &'static str,
        /// Reason.
        error: BuildError,
    },
    /// The Redis that stores sessions does not respond.
    #[error(
        "SESSION: cannot connect to that Redis ({reason}); start it, or use `cookie` or `none`"
    )]
    Session {
        /// Reason.
        reason: String,
    },
    /// The machine has no free thread or port.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
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

/// Blog that runs on its own threads. Dropping it stops it without waiting for requests.
#[derive(Debug)]
pub struct Blog {
    address: SocketAddr,
    stand_in: StandIn,
    library: Library,
    notices: Vec<String>,
    mengpaneel: Mengpaneel,
    server: Option<ServerThread>,
}

#[derive(Debug)]
struct ServerThread {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl Blog {
    /// Starts the blog and waits until it listens.
    ///
    /// # Errors
    ///
    /// [`StartError`] names the reason.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let choice = LibraryChoice::start(&config.token, config.lib_url.as_deref())?;
        let stand_in = StandIn::try_start()?;
        let library = choice.finish(stand_in.small_library_url());
        let (send, receive) = mpsc::channel();
        let mengpaneel = mengpaneel(&config, &library, &stand_in.url())?;
        let demo = Demo::new(&config, &library);
        let notices = demo.notices.clone();
        let state = AppState::new(mengpaneel.clone(), stand_in.store(), demo);
        let thread = thread::Builder::new()
            .name("blog".to_owned())
            .spawn(move || {
                let on_start = |address, handle| {
                    let _ = send.send(Ok((address, handle)));
                };
                if let Err(error) = System::new().block_on(serve(config, state, on_start)) {
                    let _ = send.send(Err(error));
                }
            })?;
        let (address, handle) = receive
            .recv()
            .map_err(|_| io::Error::other("the server's thread ended during startup"))??;
        Ok(Self {
            address,
            stand_in,
            library,
            notices,
            mengpaneel,
            server: Some(ServerThread { handle, thread }),
        })
    }

    /// Address that the blog listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stand-in for Mixpanel. It receives everything unless the configuration names another host.
    #[must_use]
    pub fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// Script that pages load as mixpanel-js.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Notices about unusual configuration and about limits of this machine.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Tracking handle, for jobs.
    #[must_use]
    pub fn mengpaneel(&self) -> &Mengpaneel {
        &self.mengpaneel
    }

    /// URL of the page that shows the received events.
    #[must_use]
    pub fn live_url(&self) -> String {
        self.url() + "/live"
    }

    /// Finishes requests in flight, delivers pending calls, and stops.
    pub fn stop(mut self) {
        self.shut_down(true);
    }

    fn shut_down(&mut self, graceful: bool) {
        if let Some(ServerThread { handle, thread }) = self.server.take() {
            // `stop` sends its command before it returns. `join` waits for the end, so that the
            // future is not needed.
            drop(handle.stop(graceful));
            let _ = thread.join();
        }
    }
}

impl Drop for Blog {
    fn drop(&mut self) {
        self.shut_down(false);
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
        // Encrypts the cookie that carries calls from a redirect to the next page. New at every
        // start, like the database.
        .cookie_key(Key::generate());
    if let Some(url) = library.url() {
        builder = builder.lib_url(url);
    }
    match &config.outbox {
        Outbox::Memory => builder,
        Outbox::Url(url) => builder.outbox(mengpaneel::outbox::from_url(url)?),
        Outbox::None => builder.no_outbox(),
    }
    .build()
}

/// State that the server's worker threads share.
#[derive(Clone)]
struct AppState {
    db: web::Data<Db>,
    key: Key,
    mengpaneel: Mengpaneel,
    store: Store,
    demo: web::Data<Demo>,
    dispatch: tracing::Dispatch,
}

impl AppState {
    fn new(mengpaneel: Mengpaneel, store: Store, demo: Demo) -> Self {
        Self {
            db: web::Data::new(Db::default()),
            // New at every start, like the database: sessions of earlier runs become invalid.
            key: Key::generate(),
            mengpaneel,
            demo: web::Data::new(demo),
            dispatch: live::dispatch(store.clone()),
            store,
        }
    }
}

async fn serve(
    config: Config,
    state: AppState,
    on_start: impl FnOnce(SocketAddr, ServerHandle),
) -> Result<(), StartError> {
    match &config.session {
        SessionStorage::Redis(url) => {
            let store = connect(url).await?;
            serve_with(config, state, move || store.clone(), on_start).await
        }
        // Without sessions, the store is unused.
        SessionStorage::Cookie | SessionStorage::None => {
            serve_with(config, state, CookieSessionStore::default, on_start).await
        }
    }
}

/// Connects to the Redis that stores sessions.
async fn connect(url: &str) -> Result<RedisSessionStore, StartError> {
    let failed = |reason| StartError::Session { reason };
    match rt::time::timeout(SESSION_TIMEOUT, RedisSessionStore::new(url)).await {
        Ok(connected) => connected.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(format!(
            "no response within {} s",
            SESSION_TIMEOUT.as_secs()
        ))),
    }
}

async fn serve_with<S: SessionStore + 'static>(
    config: Config,
    state: AppState,
    store: impl Fn() -> S + Clone + Send + 'static,
    on_start: impl FnOnce(SocketAddr, ServerHandle),
) -> Result<(), StartError> {
    let mengpaneel = state.mengpaneel.clone();
    let has_sessions = config.session != SessionStorage::None;
    let login = if has_sessions {
        LoginStorage::Session
    } else {
        LoginStorage::Cookie(state.key.clone())
    };
    let identity = config.identity;
    let links = vec![
        ("/", "Blog"),
        ("/live", "Events received"),
        ("/plan", "Tracking plan"),
    ];
    let Demo {
        notices,
        external_senders,
    } = state.demo.get_ref().clone();
    let live = LivePage {
        links,
        external_senders,
        notices,
    };
    let app = move || {
        let sessions = SessionMiddleware::builder(store(), state.key.clone())
            .cookie_secure(false)
            .build();
        App::new()
            // Stays in force for the lifetime of the worker's thread.
            .app_data(Rc::new(tracing::dispatcher::set_default(&state.dispatch)))
            .app_data(state.db.clone())
            .app_data(state.demo.clone())
            .app_data(login.clone())
            .app_data(identity)
            // Outside of the middleware: views of these pages are not tracked.
            .configure(stand_in::live_page(&state.store, &live))
            .configure(plan::routes)
            .service(
                web::scope("")
                    .configure(routes)
                    .wrap(from_fn(error::render_errors))
                    .wrap(state.mengpaneel.with_setup(sessions::signed_in))
                    .wrap(Condition::new(has_sessions, sessions)),
            )
    };
    let mut server = HttpServer::new(app)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECS);
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    let bound = server
        .bind(&config.bind)
        .map_err(|reason| StartError::Bind {
            address: config.bind.clone(),
            reason,
        })?;
    let address = bound
        .addrs()
        .first()
        .copied()
        .ok_or_else(|| io::Error::other("the server has no address"))?;
    let server = bound.run();
    on_start(address, server.handle());
    server.await?;
    if let Err(error) = mengpaneel.shutdown(DELIVERY_TIMEOUT).await {
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
        .default_service(web::to(error::page_not_found));
}
