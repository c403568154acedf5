//! Test server with routes of a test's choice and a fake Mixpanel.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_session::SessionMiddleware;
use actix_web::cookie::Key;
use actix_web::dev::ServerHandle;
use actix_web::middleware::Condition;
use actix_web::rt::System;
use actix_web::{App, HttpServer, web};
use mengpaneel::{Builder, Mengpaneel};
use stand_in::{Received, StandIn};

use crate::assertions::flush_and_collect;
use crate::session_config::SessionConfig;

/// Limit for each wait in a test.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Running server. Dropping the value stops it.
#[derive(Debug)]
pub struct TestApp {
    /// Base URL of the server.
    pub url: String,
    /// Fake Mixpanel that the server delivers to.
    pub stand_in: StandIn,
    /// Handle that the server uses.
    pub mengpaneel: Mengpaneel,
    running: Option<(ServerHandle, JoinHandle<()>)>,
}

impl TestApp {
    /// Starts a server with these routes.
    ///
    /// # Panics
    ///
    /// If the server cannot start.
    #[must_use]
    pub fn start(routes: fn(&mut web::ServiceConfig)) -> Self {
        Self::build(routes, |builder| builder)
    }

    /// Starts a server with options of Mengpaneel.
    ///
    /// # Panics
    ///
    /// If the server cannot start.
    #[must_use]
    pub fn build(
        routes: fn(&mut web::ServiceConfig),
        options: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::with_sessions(&SessionConfig::default(), routes, options)
    }

    /// Starts a server with this session storage.
    ///
    /// # Panics
    ///
    /// If the server cannot start.
    #[must_use]
    pub fn with_sessions(
        sessions: &SessionConfig,
        routes: fn(&mut web::ServiceConfig),
        options: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::with_key(sessions, Key::generate().master(), routes, options)
    }

    /// Starts a server with a given cookie key, which processes of one application share.
    ///
    /// # Panics
    ///
    /// If the server cannot start.
    #[must_use]
    pub fn with_key(
        sessions: &SessionConfig,
        key: &[u8],
        routes: fn(&mut web::ServiceConfig),
        options: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let options = |builder: Builder| options(builder.cookie_key(Key::from(key)));
        Self::serve(sessions, key, routes, options, "demo")
    }

    /// Starts a server without `cookie_key`.
    ///
    /// # Panics
    ///
    /// If the server cannot start.
    #[must_use]
    pub fn without_cookie_key(
        sessions: &SessionConfig,
        routes: fn(&mut web::ServiceConfig),
    ) -> Self {
        let key = Key::generate();
        Self::serve(sessions, key.master(), routes, |builder| builder, "demo")
    }

    /// Starts a server without a token, so that tracking is disabled.
    ///
    /// # Panics
    ///
    /// If the server cannot start.
    #[must_use]
    pub fn disabled(sessions: &SessionConfig, routes: fn(&mut web::ServiceConfig)) -> Self {
        let key = Key::generate();
        Self::serve(sessions, key.master(), routes, |builder| builder, "")
    }

    /// Delivers everything that is pending, and returns the events that arrived, without
    /// duplicates.
    ///
    /// # Panics
    ///
    /// If the delivery takes longer than [`TIMEOUT`].
    pub async fn flush_and_collect(&self) -> Vec<Received> {
        flush_and_collect(&self.mengpaneel, &self.stand_in).await
    }

    fn serve(
        sessions: &SessionConfig,
        key: &[u8],
        routes: fn(&mut web::ServiceConfig),
        options: impl FnOnce(Builder) -> Builder,
        token: &str,
    ) -> Self {
        let (sessions, key) = (sessions.clone(), Key::from(key));
        let stand_in = StandIn::start();
        let builder = Mengpaneel::builder(token)
            .api_host(stand_in.url())
            .js_api_host(stand_in.url());
        let mengpaneel = options(builder)
            .build()
            .unwrap_or_else(|error| panic!("{error}"));
        let (send, receive) = mpsc::channel();
        let shared = mengpaneel.clone();
        let listener =
            TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("{error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("{error}"));
        let thread = thread::spawn(move || {
            let ended = System::new().block_on(async move {
                let store = sessions.connect().await;
                let app = move || {
                    let is_outer = sessions.is_outer();
                    let session = || {
                        let builder =
                            SessionMiddleware::builder(store(), key.clone()).cookie_secure(false);
                        builder.cookie_content_security(sessions.security()).build()
                    };
                    App::new()
                        .configure(routes)
                        .wrap(Condition::new(
                            sessions == SessionConfig::WrappedInside,
                            session(),
                        ))
                        .wrap(shared.clone())
                        .wrap(Condition::new(is_outer, session()))
                };
                let server = HttpServer::new(app)
                    .workers(1)
                    .disable_signals()
                    .listen(listener)?
                    .run();
                drop(send.send(server.handle()));
                server.await
            });
            ended.unwrap_or_else(|error| panic!("{error}"));
        });
        let handle = receive.recv().unwrap_or_else(|error| panic!("{error}"));
        Self {
            url: format!("http://{address}"),
            stand_in,
            mengpaneel,
            running: Some((handle, thread)),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.running.take() {
            // `stop` sends its command before the future is polled; `join` waits for the end.
            drop(handle.stop(false));
            drop(thread.join());
        }
    }
}
