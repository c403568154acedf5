//! A stand-in that runs by itself, whatever runtime the caller has, or none.

use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, rt};

use crate::http;
use crate::store::Store;

/// A running stand-in, on a free port of this machine. It stops when it is dropped.
///
/// What arrived is asked of its [`Store`], to which it dereferences.
pub struct StandIn {
    store: Store,
    address: SocketAddr,
    running: Mutex<Option<Running>>,
}

struct Running {
    handle: ServerHandle,
    thread: JoinHandle<()>,
}

impl StandIn {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// Where this machine has no free port or thread: see [`try_start`](Self::try_start).
    #[must_use]
    pub fn start() -> Self {
        match Self::try_start() {
            Ok(started) => started,
            Err(error) => panic!("the stand-in for Mixpanel could not start: {error}"),
        }
    }

    /// Starts one, or says why it could not.
    ///
    /// # Errors
    ///
    /// Where this machine has no free port or thread.
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

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// URL of the small library, which pages can load in the place of mixpanel-js.
    #[must_use]
    pub fn small_library_url(&self) -> String {
        self.url() + http::SMALL_LIBRARY_PATH
    }

    /// What arrived, to keep.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Stops: connections are refused, as those to a machine that is down. What arrived is kept.
    pub fn stop(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Running { handle, thread }) = running {
            // The command is sent at once; the future only waits for its end, as does the join.
            drop(handle.stop(false));
            let _ = thread.join();
        }
    }

    /// Starts at the same address after a [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// Where another program took the port.
    pub fn start_again(&self) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            *running = Some(run(TcpListener::bind(self.address)?, &self.store)?);
        }
        Ok(())
    }
}

/// Serves on a thread of its own, and returns when it does.
fn run(listener: TcpListener, store: &Store) -> io::Result<Running> {
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
        .map_err(|_| io::Error::other("its thread ended at once"))??;
    Ok(Running { handle, thread })
}

fn serve(
    listener: TcpListener,
    store: Store,
    running: impl FnOnce(ServerHandle),
) -> io::Result<()> {
    rt::System::new().block_on(async move {
        let server = HttpServer::new(move || App::new().configure(http::configure(&store)))
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run();
        running(server.handle());
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
