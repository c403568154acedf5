//! Stand-in as a server on its own thread, independent of the caller's async runtime.

use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, rt};

use crate::http;
use crate::store::Store;

/// Running stand-in on a free port of this machine. Dropping it stops the server.
///
/// Dereferences to its [`Store`], which holds the received data.
pub struct StandIn {
    store: Store,
    address: SocketAddr,
    running: Mutex<Option<ServerThread>>,
}

struct ServerThread {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl StandIn {
    /// Starts a stand-in.
    ///
    /// # Panics
    ///
    /// Panics if this machine has no free port or thread. See [`try_start`](Self::try_start).
    #[must_use]
    pub fn start() -> Self {
        match Self::try_start() {
            Ok(started) => started,
            Err(error) => panic!("the stand-in for Mixpanel cannot start: {error}"),
        }
    }

    /// Starts a stand-in.
    ///
    /// # Errors
    ///
    /// Fails if this machine has no free port or thread.
    pub fn try_start() -> io::Result<Self> {
        let store = Store::default();
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let running = Mutex::new(Some(run(listener, &store)?));
        Ok(Self {
            store,
            address,
            running,
        })
    }

    /// Base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// URL of the small library, which pages can load instead of mixpanel-js.
    #[must_use]
    pub fn small_library_url(&self) -> String {
        self.url() + http::SMALL_LIBRARY_PATH
    }

    /// Returns the store, which outlives the server.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Stops the server, so that connections are refused. Keeps the received data.
    pub fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ServerThread { handle, thread }) = running {
            // `stop` sends its command before it returns. `join` waits for the end, so that the
            // future is not needed.
            drop(handle.stop(false));
            let _ = thread.join();
        }
    }

    /// Starts the server at the same address again, after a [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// Fails if another program uses the port.
    pub fn start_again(&self) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            *running = Some(run(TcpListener::bind(self.address)?, &self.store)?);
        }
        Ok(())
    }
}

/// Starts a server thread and waits until it serves.
fn run(listener: TcpListener, store: &Store) -> io::Result<ServerThread> {
    let (send, receive) = mpsc::channel();
    let store = store.clone();
    let thread = thread::Builder::new()
        .name("stand-in".to_owned())
        .spawn(move || {
            let served = serve(listener, store, |handle| {
                let _ = send.send(Ok(handle));
            });
            if let Err(error) = served {
                let _ = send.send(Err(error));
            }
        })?;
    let handle = receive
        .recv()
        .map_err(|_| io::Error::other("the server's thread ended during startup"))??;
    Ok(ServerThread { handle, thread })
}

fn serve(
    listener: TcpListener,
    store: Store,
    on_start: impl FnOnce(ServerHandle),
) -> io::Result<()> {
    rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().configure(http::configure(&store)))
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run();
        on_start(server.handle());
        server.await
    })
}

impl Deref for StandIn {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StandIn({})", self.url())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
