//! Project token.

/// Token of a Mixpanel project, or none. Without a token tracking is disabled.
///
/// Converts from text, from an `Option` of text, and from the result of [`std::env::var`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token(pub(crate) Option<String>);

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self(Some(token.trim().to_owned()).filter(|token| !token.is_empty()))
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self::from(token.as_str())
    }
}

impl<T: Into<Token>> From<Option<T>> for Token {
    fn from(token: Option<T>) -> Self {
        token.map(Into::into).unwrap_or_default()
    }
}

impl<T: Into<Token>, E> From<Result<T, E>> for Token {
    fn from(token: Result<T, E>) -> Self {
        Self::from(token.ok())
    }
}
