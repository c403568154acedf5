//! In-memory database. IDs count from 1.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use crate::error::BlogError;

/// User who signed up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct User {
    /// ID, counting from 1.
    pub id: u64,
    /// Unique e-mail address, ignoring case.
    pub email: String,
    /// First name. May be empty or contain any text.
    pub first_name: String,
    /// Last name. May be empty or contain any text.
    pub last_name: String,
    /// Time of the sign-up.
    pub created_at: Timestamp,
    /// Time of the latest sign-in.
    pub last_login: Timestamp,
}

/// Post of a user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Post {
    /// ID, counting from 1.
    pub id: u64,
    /// ID of the user who wrote the post.
    pub author_id: u64,
    /// Name of the author.
    pub author: String,
    /// Title. Never empty.
    pub title: String,
    /// Text. May be empty.
    pub body: String,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// Payment that the provider reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Payment {
    /// ID at the provider.
    pub id: PaymentId,
    /// Amount in the blog's currency.
    pub amount: f64,
    /// ID of the user who paid. `None` if no user has the payment's ID.
    pub payer: Option<u64>,
}

/// ID of a payment: the ID of the user who pays, or any other text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PaymentId {
    /// Number, which may be the ID of a user.
    Number(u64),
    /// Text, which is no user's ID.
    Text(String),
}

/// Form of a sign-up.
#[derive(Debug, Deserialize)]
pub(crate) struct NewUser {
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) first_name: String,
    #[serde(default)]
    pub(crate) last_name: String,
}

/// Form or JSON of a new post.
#[derive(Debug, Deserialize)]
pub(crate) struct NewPost {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
}

/// Database of users and posts.
#[derive(Debug, Default)]
pub(crate) struct Db(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    users: Vec<User>,
    posts: Vec<Post>,
}

impl Db {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert_user(&self, new: NewUser) -> Result<User, BlogError> {
        let email = new.email.trim().to_owned();
        if !is_email(&email) {
            return Err(BlogError::InvalidEmail);
        }
        let mut tables = self.tables();
        if tables
            .users
            .iter()
            .any(|user| user.email.eq_ignore_ascii_case(&email))
        {
            return Err(BlogError::DuplicateEmail);
        }
        let now = now();
        let id = next_id(tables.users.len());
        let NewUser {
            first_name,
            last_name,
            ..
        } = new;
        let user = User {
            id,
            email,
            first_name,
            last_name,
            created_at: now,
            last_login: now,
        };
        tables.users.push(user.clone());
        Ok(user)
    }

    pub(crate) fn user(&self, id: u64) -> Option<User> {
        self.tables().users.get(row_index(id)?).cloned()
    }

    /// Signs in the user with that e-mail address: returns the user with an updated `last_login`.
    pub(crate) fn sign_in(&self, email: &str) -> Result<User, BlogError> {
        let mut tables = self.tables();
        let user = tables
            .users
            .iter_mut()
            .find(|user| user.email.eq_ignore_ascii_case(email.trim()));
        let user = user.ok_or(BlogError::UnknownEmail)?;
        user.last_login = now();
        Ok(user.clone())
    }

    pub(crate) fn insert_post(&self, author: &User, new: NewPost) -> Result<Post, BlogError> {
        if new.title.trim().is_empty() {
            return Err(BlogError::MissingTitle);
        }
        let mut tables = self.tables();
        let id = next_id(tables.posts.len());
        let NewPost { title, body } = new;
        let post = Post {
            id,
            author_id: author.id,
            author: author.name(),
            title,
            body,
            created_at: now(),
        };
        tables.posts.push(post.clone());
        Ok(post)
    }

    pub(crate) fn post(&self, id: u64) -> Result<Post, BlogError> {
        let tables = self.tables();
        row_index(id)
            .and_then(|index| tables.posts.get(index))
            .cloned()
            .ok_or(BlogError::PostNotFound)
    }

    /// All posts, oldest first.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.tables().posts.clone()
    }

    /// At most `count` posts, newest first.
    pub(crate) fn latest_posts(&self, count: usize) -> Vec<Post> {
        self.tables()
            .posts
            .iter()
            .rev()
            .take(count)
            .cloned()
            .collect()
    }

    /// Records that a payment is complete. Every ID is valid. The payer is the user with the same
    /// ID.
    pub(crate) fn mark_paid(&self, payment_id: &str) -> Payment {
        let id = payment_id.parse().map_or_else(
            |_| PaymentId::Text(payment_id.to_owned()),
            PaymentId::Number,
        );
        let payer = match id {
            PaymentId::Number(id) => self.user(id).map(|user| user.id),
            PaymentId::Text(_) => None,
        };
        Payment {
            id,
            amount: 12.5,
            payer,
        }
    }
}

impl User {
    /// Name that other users see.
    pub(crate) fn name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => "Anonymous".to_owned(),
            name => name.to_owned(),
        }
    }
}

fn is_email(text: &str) -> bool {
    let is_well_formed =
        |(local, host): (&str, &str)| !local.is_empty() && !host.is_empty() && !host.contains('@');
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control();
    text.len() <= 254
        && !text.contains(is_forbidden)
        && text.split_once('@').is_some_and(is_well_formed)
}

fn next_id(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX).saturating_add(1)
}

/// Index of the row with that ID.
fn row_index(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(1)?).ok()
}

/// Current time, rounded to seconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_up(db: &Db, email: &str) -> Result<User, BlogError> {
        db.insert_user(NewUser {
            email: email.into(),
            first_name: "Ada".into(),
            last_name: String::new(),
        })
    }

    #[test]
    fn ids_count_from_one() {
        let db = Db::default();
        let first = sign_up(&db, "a@b.c").unwrap();
        let second = sign_up(&db, "b@b.c").unwrap();
        assert_eq!((first.id, second.id), (1, 2));
        assert_eq!(db.user(2), Some(second));
        assert_eq!(db.user(0), None);
        assert_eq!(db.user(3), None);
    }

    #[test]
    fn email_must_be_valid_and_unique() {
        let db = Db::default();
        for bad in ["", "a", "@b.c", "a@", "a@b@c", "a b@c", "a@b\u{7}"] {
            assert_eq!(sign_up(&db, bad), Err(BlogError::InvalidEmail), "{bad}");
        }
        sign_up(&db, " a@b.c ").unwrap();
        assert_eq!(sign_up(&db, "A@b.c"), Err(BlogError::DuplicateEmail));
        assert_eq!(db.sign_in("a@B.c").map(|user| user.id), Ok(1));
        assert_eq!(db.sign_in("x@b.c"), Err(BlogError::UnknownEmail));
    }

    #[test]
    fn post_must_have_a_title() {
        let db = Db::default();
        let author = sign_up(&db, "a@b.c").unwrap();
        let new = |title: &str| NewPost {
            title: title.into(),
            body: String::new(),
        };
        assert_eq!(
            db.insert_post(&author, new(" ")),
            Err(BlogError::MissingTitle)
        );
        let post = db.insert_post(&author, new("One")).unwrap();
        assert_eq!(db.post(1), Ok(post));
        assert_eq!(db.post(2), Err(BlogError::PostNotFound));
        db.insert_post(&author, new("Two")).unwrap();
        assert_eq!(db.latest_posts(1)[0].title, "Two");
    }

    #[test]
    fn payment_belongs_to_the_user_with_its_id() {
        let db = Db::default();
        sign_up(&db, "a@b.c").unwrap();
        assert_eq!(db.mark_paid("1").payer, Some(1));
        assert_eq!(db.mark_paid("2").payer, None);
        assert_eq!(db.mark_paid("2").id, PaymentId::Number(2));
        assert_eq!(db.mark_paid("x").id, PaymentId::Text("x".into()));
    }
}
