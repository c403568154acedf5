//! The blog as a whole: its routes, its threads, and the stand-in beside it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::rt::System;
use actix_web::{App, HttpServer, web};
use mengpaneel::{BuildError, Mengpaneel};
use stand_in::{StandIn, Store};
use thiserror::Error;

use crate::config::{Config, Outbox};
use crate::db::Db;
use crate::{live, pages, payments, plan, posts, problem, sessions, spa, users};

/// How long a stop waits for requests that are being answered, in seconds.
const PATIENCE: u64 = 10;

/// How long a stop waits for Mixpanel.
const DELIVERY: Duration = Duration::from_secs(10);

/// Why the blog did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken or is none.
    #[error("cannot listen on {address}: {why}; choose another with BIND")]
    Bind {
        /// The address.
        address: String,
        /// What the system said.
        why: io::Error,
    },
    /// A variable that Mixpanel is reached by is wrong.
    #[error(transparent)]
    Mengpaneel(#[from] BuildError),
    /// The machine has no thread or port left.
    #[error("cannot start: {0}")]
    Machine(#[from] io::Error),
}

/// A running blog, on threads of its own.
#[derive(Debug)]
pub struct Blog {
    address: SocketAddr,
    stand_in: StandIn,
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
        let stand_in = StandIn::try_start()?;
        let (send, receive) = mpsc::channel();
        let mengpaneel = mengpaneel(&config, &stand_in.url())?;
        let shared = Shared::new(mengpaneel.clone(), stand_in.store());
        let thread = thread::Builder::new().name("blog".to_owned()).spawn(move || {
            let started = |address, handle| {
                let _ = send.send(Ok((address, handle)));
            };
            if let Err(error) = System::new().block_on(serve(config, shared, started)) {
                let _ = send.send(Err(error));
            }
        })?;
        let (address, handle) = receive.recv().map_err(|_| io::Error::other("its thread ended at once"))??;
        Ok(Self { address, stand_in, mengpaneel, running: Some(Running { handle, thread }) })
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

fn mengpaneel(config: &Config, stand_in: &str) -> Result<Mengpaneel, BuildError> {
    let mut builder = Mengpaneel::builder(config.token.as_str())
        .api_host(config.api_host.as_deref().unwrap_or(stand_in))
        .js_api_host(config.js_api_host.as_deref().unwrap_or(stand_in))
        // Carries the calls of redirects to the next page. A new one at every start: so is the database.
        .cookie_key(Key::generate());
    if let Some(lib_url) = &config.lib_url {
        builder = builder.lib_url(lib_url);
    }
    match &config.outbox {
        Outbox::Memory => builder,
        Outbox::At(url) => builder.outbox(mengpaneel::outbox::at(url)?),
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
    listener: tracing::Dispatch,
}

impl Shared {
    fn new(mengpaneel: Mengpaneel, store: Store) -> Self {
        Self {
            db: web::Data::new(Db::default()),
            // A new one at every start: whom it would remember, the tables have forgotten.
            key: Key::generate(),
            mengpaneel,
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
    let mengpaneel = shared.mengpaneel.clone();
    let app = move || {
        let sessions =
            SessionMiddleware::builder(CookieSessionStore::default(), shared.key.clone()).cookie_secure(false).build();
        App::new()
            // Lives as long as the worker's thread, whose events it hears.
            .app_data(Rc::new(tracing::dispatcher::set_default(&shared.listener)))
            .app_data(shared.db.clone())
            // Beside what is tracked: it shows what the rest does.
            .configure(stand_in::live_page(&shared.store))
            .configure(plan::routes)
            .service(
                web::scope("")
                    .configure(routes)
                    .wrap(from_fn(problem::explain))
                    .wrap(shared.mengpaneel.with_setup(sessions::signed_in))
                    .wrap(sessions),
            )
    };
    let mut server = HttpServer::new(app).disable_signals().shutdown_timeout(PATIENCE);
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    let bound = server.bind(&config.bind).map_err(|why| StartError::Bind { address: config.bind.clone(), why })?;
    let address = bound.addrs().first().copied().ok_or_else(|| io::Error::other("it listens nowhere"))?;
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
        .service(mengpaneel::script());
}
