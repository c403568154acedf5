//! Where a workshop keeps its sessions.

use std::collections::HashMap;

use actix_session::config::CookieContentSecurity;
use actix_session::storage::{
    CookieSessionStore, LoadError, RedisSessionStore, SaveError, SessionKey, SessionStore,
    UpdateError,
};
use actix_web::cookie::time::Duration;

/// Where a workshop keeps its sessions, and where its `SessionMiddleware` stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sessions {
    /// In a signed cookie.
    Signed,
    /// In an encrypted cookie, actix-session's default.
    #[default]
    Private,
    /// In the Redis at this URL.
    Redis(String),
    /// In a cookie, by a middleware that stands inside of ours: wrong.
    Inside,
    /// In a store that can neither load nor save.
    Failing,
    /// Nowhere.
    Nowhere,
}

impl Sessions {
    pub(crate) fn are_outside(&self) -> bool {
        matches!(
            self,
            Self::Signed | Self::Private | Self::Redis(_) | Self::Failing
        )
    }

    pub(crate) fn security(&self) -> CookieContentSecurity {
        if self == &Self::Signed {
            CookieContentSecurity::Signed
        } else {
            CookieContentSecurity::Private
        }
    }

    /// Connects, where there is anything to connect to. Answers what makes stores, one a worker.
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

/// Store of a session middleware.
pub(crate) enum Store {
    Cookie(CookieSessionStore),
    Redis(RedisSessionStore),
    Failing,
}

fn away() -> anyhow::Error {
    anyhow::anyhow!("the session store is away")
}

type State = HashMap<String, String>;

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        match self {
            Self::Cookie(store) => store.load(key).await,
            Self::Redis(store) => store.load(key).await,
            Self::Failing => Err(LoadError::Other(away())),
        }
    }

    async fn save(&self, state: State, ttl: &Duration) -> Result<SessionKey, SaveError> {
        match self {
            Self::Cookie(store) => store.save(state, ttl).await,
            Self::Redis(store) => store.save(state, ttl).await,
            Self::Failing => Err(SaveError::Other(away())),
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
            Self::Failing => Err(UpdateError::Other(away())),
        }
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &Duration) -> anyhow::Result<()> {
        match self {
            Self::Cookie(store) => store.update_ttl(key, ttl).await,
            Self::Redis(store) => store.update_ttl(key, ttl).await,
            Self::Failing => Err(away()),
        }
    }

    async fn delete(&self, key: &SessionKey) -> anyhow::Result<()> {
        match self {
            Self::Cookie(store) => store.delete(key).await,
            Self::Redis(store) => store.delete(key).await,
            Self::Failing => Err(away()),
        }
    }
}
