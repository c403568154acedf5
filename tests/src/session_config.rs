//! Session storage of a test server.

use std::collections::HashMap;

use actix_session::config::CookieContentSecurity;
use actix_session::storage::{
    CookieSessionStore, LoadError, RedisSessionStore, SaveError, SessionKey, SessionStore,
    UpdateError,
};
use actix_web::cookie::time::Duration;

/// Session storage of a test server, and the order of its middlewares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SessionConfig {
    /// Signed cookie.
    SignedCookie,
    /// Encrypted cookie, actix-session's default.
    #[default]
    EncryptedCookie,
    /// Redis server at this URL.
    Redis(String),
    /// Encrypted cookie, with the middlewares in the wrong order: the session's is the inner one.
    WrappedInside,
    /// Store that fails to load and to save.
    Failing,
    /// No session middleware.
    None,
}

impl SessionConfig {
    pub(crate) fn is_outer(&self) -> bool {
        matches!(
            self,
            Self::SignedCookie | Self::EncryptedCookie | Self::Redis(_) | Self::Failing
        )
    }

    pub(crate) fn security(&self) -> CookieContentSecurity {
        if self == &Self::SignedCookie {
            CookieContentSecurity::Signed
        } else {
            CookieContentSecurity::Private
        }
    }

    /// Connects to Redis if needed, and returns a factory that makes one store for each worker.
    pub(crate) async fn connect(&self) -> impl Fn() -> Store + Clone + Send + use<> {
        let redis = match self {
            Self::Redis(url) => Some(
                RedisSessionStore::new(url)
                    .await
                    .unwrap_or_else(|error| panic!("{url}: {error}")),
            ),
            _ => None,
        };
        let fails = self == &Self::Failing;
        move || match redis.clone() {
            Some(redis) => Store::Redis(redis),
            None if fails => Store::Failing,
            None => Store::Cookie(CookieSessionStore::default()),
        }
    }
}

/// Session store of any kind.
pub(crate) enum Store {
    Cookie(CookieSessionStore),
    Redis(RedisSessionStore),
    Failing,
}

fn unavailable() -> anyhow::Error {
    anyhow::anyhow!("the session store is unavailable")
}

type State = HashMap<String, String>;

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        match self {
            Self::Cookie(store) => store.load(key).await,
            Self::Redis(store) => store.load(key).await,
            Self::Failing => Err(LoadError::Other(unavailable())),
        }
    }

    async fn save(&self, state: State, ttl: &Duration) -> Result<SessionKey, SaveError> {
        match self {
            Self::Cookie(store) => store.save(state, ttl).await,
            Self::Redis(store) => store.save(state, ttl).await,
            Self::Failing => Err(SaveError::Other(unavailable())),
        }
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        ttl: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        match self {
            Self::Cookie(store) => store.update(key, state, ttl).await,
            Self::Redis(store) => store.update(key, state, ttl).await,
            Self::Failing => Err(UpdateError::Other(unavailable())),
        }
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &Duration) -> anyhow::Result<()> {
        match self {
            Self::Cookie(store) => store.update_ttl(key, ttl).await,
            Self::Redis(store) => store.update_ttl(key, ttl).await,
            Self::Failing => Err(unavailable()),
        }
    }

    async fn delete(&self, key: &SessionKey) -> anyhow::Result<()> {
        match self {
            Self::Cookie(store) => store.delete(key).await,
            Self::Redis(store) => store.delete(key).await,
            Self::Failing => Err(unavailable()),
        }
    }
}
