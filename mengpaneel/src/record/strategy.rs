//! Delivery strategies.

/// Strategy by which calls reach Mixpanel, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// Carries the calls in an encrypted cookie to the page after the redirect.
    Delayed,
    /// Writes the calls into the page, where the visitor's browser runs them.
    ClientSide,
    /// Sends the calls in a response header to a capable client, which runs them.
    CapableClientSide,
    /// Enqueues the calls; the server delivers them later.
    AsyncServerSide,
    /// Delivers the calls from the server before the response.
    ServerSide,
}

impl Strategy {
    /// All strategies, in the order in which they are tried.
    pub const ALL: [Self; 5] = [
        Self::Delayed,
        Self::ClientSide,
        Self::CapableClientSide,
        Self::AsyncServerSide,
        Self::ServerSide,
    ];

    /// Returns the name in logs, such as `capable_client_side`.
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
