//! A stand-in that runs by itself, whatever runtime the caller has, or none.

use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::mpsc;
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
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
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
        let (send, receive) = mpsc::channel();
        let shared = store.clone();
        let thread = thread::Builder::new().name("stand-in".to_owned()).spawn(move || {
            let started = serve(listener, shared, |handle| {
                let _ = send.send(Ok(handle));
            });
            if let Err(error) = started {
                let _ = send.send(Err(error));
            }
        })?;
        let handle = receive.recv().map_err(|_| io::Error::other("its thread ended at once"))??;
        Ok(Self { store, address, handle, thread: Some(thread) })
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived, to keep.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store.clone()
    }
}

fn serve(listener: TcpListener, store: Store, running: impl FnOnce(ServerHandle)) -> io::Result<()> {
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
        // The command is sent at once; the future only waits for its end, as does the join.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
