//! The strategies: the ways that calls can take.

/// How calls reach Mixpanel, in the order in which the ways are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// In an encrypted cookie, to the page after the redirect.
    Delayed,
    /// In the page, by the visitor's browser.
    ClientSide,
    /// In a header, by a client that said it can.
    CapableClientSide,
    /// By the server, later.
    AsyncServerSide,
    /// By the server, now.
    ServerSide,
}

impl Strategy {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 5] = [
        Self::Delayed,
        Self::ClientSide,
        Self::CapableClientSide,
        Self::AsyncServerSide,
        Self::ServerSide,
    ];

    /// Its name in logs: `capable_client_side`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::ClientSide => "client_side",
            Self::CapableClientSide => "capable_client_side",
            Self::AsyncServerSide => "async_server_side",
            Self::ServerSide => "server_side",
        }
    }
}
