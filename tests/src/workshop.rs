//! A server with whatever routes a test needs, its sessions in a cookie, and a Mixpanel of its own.

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
use stand_in::StandIn;

use crate::sessions::Sessions;

/// How long a test waits for what is to come.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct Workshop {
    /// Its base URL.
    pub url: String,
    /// Its Mixpanel.
    pub stand_in: StandIn,
    /// Its Mengpaneel.
    pub mengpaneel: Mengpaneel,
    running: Option<(ServerHandle, JoinHandle<()>)>,
}

impl Workshop {
    /// Starts one with these routes.
    #[must_use]
    pub fn start(routes: fn(&mut web::ServiceConfig)) -> Self {
        Self::build(routes, |builder| builder)
    }

    /// Starts one whose Mengpaneel is built otherwise.
    ///
    /// # Panics
    ///
    /// Where it cannot start.
    #[must_use]
    pub fn build(
        routes: fn(&mut web::ServiceConfig),
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::with_sessions(&Sessions::default(), routes, build)
    }

    /// Starts one that keeps its sessions so.
    ///
    /// # Panics
    ///
    /// Where it cannot start.
    #[must_use]
    pub fn with_sessions(
        sessions: &Sessions,
        routes: fn(&mut web::ServiceConfig),
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::with_key(sessions, Key::generate().master(), routes, build)
    }

    /// Starts one whose session key another has too, as processes of one application do.
    ///
    /// # Panics
    ///
    /// Where it cannot start.
    #[must_use]
    pub fn with_key(
        sessions: &Sessions,
        key: &[u8],
        routes: fn(&mut web::ServiceConfig),
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::serve(
            sessions,
            key,
            routes,
            |builder| build(builder.cookie_key(Key::from(key))),
            "demo",
        )
    }

    /// Starts one whose Mengpaneel has no `cookie_key`.
    ///
    /// # Panics
    ///
    /// Where it cannot start.
    #[must_use]
    pub fn without_cookie_key(sessions: &Sessions, routes: fn(&mut web::ServiceConfig)) -> Self {
        Self::serve(
            sessions,
            Key::generate().master(),
            routes,
            |builder| builder,
            "demo",
        )
    }

    /// Starts one whose Mengpaneel has no token: the application alone.
    ///
    /// # Panics
    ///
    /// Where it cannot start.
    #[must_use]
    pub fn disabled(sessions: &Sessions, routes: fn(&mut web::ServiceConfig)) -> Self {
        Self::serve(
            sessions,
            Key::generate().master(),
            routes,
            |builder| builder,
            "",
        )
    }

    fn serve(
        sessions: &Sessions,
        key: &[u8],
        routes: fn(&mut web::ServiceConfig),
        build: impl FnOnce(Builder) -> Builder,
        token: &str,
    ) -> Self {
        let (sessions, key) = (sessions.clone(), Key::from(key));
        let stand_in = StandIn::start();
        let builder = Mengpaneel::builder(token)
            .api_host(stand_in.url())
            .js_api_host(stand_in.url());
        let mengpaneel = build(builder)
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
                    let outside = sessions.are_outside();
                    let session = || {
                        let builder =
                            SessionMiddleware::builder(store(), key.clone()).cookie_secure(false);
                        builder.cookie_content_security(sessions.security()).build()
                    };
                    App::new()
                        .configure(routes)
                        .wrap(Condition::new(sessions == Sessions::Inside, session()))
                        .wrap(shared.clone())
                        .wrap(Condition::new(outside, session()))
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

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.running.take() {
            // The command is sent at once; the future only waits for its end, as does the join.
            drop(handle.stop(false));
            drop(thread.join());
        }
    }
}
