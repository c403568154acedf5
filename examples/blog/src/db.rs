//! The tables, in memory. IDs count from 1.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Somebody who signed up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct User {
    /// Counts from 1.
    pub id: u64,
    /// Nobody else has it.
    pub email: String,
    /// As given, which may be anything.
    pub first_name: String,
    /// As given, which may be anything.
    pub last_name: String,
    /// When they signed up.
    pub created_at: Timestamp,
    /// When they last signed in.
    pub last_login: Timestamp,
}

/// What one of them wrote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Post {
    /// Counts from 1.
    pub id: u64,
    /// The ID of the user who wrote it.
    pub author_id: u64,
    /// What the author is called.
    pub author: String,
    /// Never empty.
    pub title: String,
    /// May be empty.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A payment that the provider reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Payment {
    /// As the provider names it.
    pub id: PaymentId,
    /// In our currency.
    pub amount: f64,
    /// The user who paid, if there is one.
    pub payer: Option<u64>,
}

/// A payment's ID: that of the user who pays, or any other text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PaymentId {
    /// May be a user's.
    Number(u64),
    /// Is nobody's.
    Text(String),
}

/// What is asked at sign-up.
#[derive(Debug, Deserialize)]
pub(crate) struct NewUser {
    #[serde(default)]
    pub(crate) email: String,
    #[serde(default)]
    pub(crate) first_name: String,
    #[serde(default)]
    pub(crate) last_name: String,
}

/// What is asked of an author.
#[derive(Debug, Deserialize)]
pub(crate) struct NewPost {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) body: String,
}

/// The tables.
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

    pub(crate) fn insert_user(&self, new: NewUser) -> Result<User, Problem> {
        let email = new.email.trim().to_owned();
        if !is_email(&email) {
            return Err(Problem::BadEmail);
        }
        let mut tables = self.tables();
        if tables
            .users
            .iter()
            .any(|user| user.email.eq_ignore_ascii_case(&email))
        {
            return Err(Problem::TakenEmail);
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
        self.tables().users.get(place(id)?).cloned()
    }

    /// The user of that e-mail address, who signs in now.
    pub(crate) fn sign_in(&self, email: &str) -> Result<User, Problem> {
        let mut tables = self.tables();
        let known = tables
            .users
            .iter_mut()
            .find(|user| user.email.eq_ignore_ascii_case(email.trim()));
        let user = known.ok_or(Problem::UnknownEmail)?;
        user.last_login = now();
        Ok(user.clone())
    }

    pub(crate) fn insert_post(&self, author: &User, new: NewPost) -> Result<Post, Problem> {
        if new.title.trim().is_empty() {
            return Err(Problem::NoTitle);
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

    pub(crate) fn post(&self, id: u64) -> Result<Post, Problem> {
        let tables = self.tables();
        place(id)
            .and_then(|place| tables.posts.get(place))
            .cloned()
            .ok_or(Problem::NoSuchPost)
    }

    /// All posts, in the order they were written.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.tables().posts.clone()
    }

    /// The latest posts, the latest first.
    pub(crate) fn latest_posts(&self, count: usize) -> Vec<Post> {
        self.tables()
            .posts
            .iter()
            .rev()
            .take(count)
            .cloned()
            .collect()
    }

    /// The payment of that ID, now paid. Any ID is known, and belongs to the user of that ID.
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
    /// What others see.
    pub(crate) fn name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => "somebody".to_owned(),
            name => name.to_owned(),
        }
    }
}

fn is_email(text: &str) -> bool {
    let well_formed =
        |(local, host): (&str, &str)| !local.is_empty() && !host.is_empty() && !host.contains('@');
    let odd = |c: char| c.is_whitespace() || c.is_control();
    text.len() <= 254 && !text.contains(odd) && text.split_once('@').is_some_and(well_formed)
}

fn next_id(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX).saturating_add(1)
}

/// Where the row of that ID stands.
fn place(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(1)?).ok()
}

/// Now, in whole seconds, as pages show it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_up(db: &Db, email: &str) -> Result<User, Problem> {
        db.insert_user(NewUser {
            email: email.into(),
            first_name: "Ada".into(),
            last_name: String::new(),
        })
    }

    #[test]
    fn ids_count_from_one() {
        let db = Db::default();
        let first = signed_up(&db, "a@b.c").unwrap();
        let second = signed_up(&db, "b@b.c").unwrap();
        assert_eq!((first.id, second.id), (1, 2));
        assert_eq!(db.user(2), Some(second));
        assert_eq!(db.user(0), None);
        assert_eq!(db.user(3), None);
    }

    #[test]
    fn an_email_is_well_formed_and_nobody_elses() {
        let db = Db::default();
        for bad in ["", "a", "@b.c", "a@", "a@b@c", "a b@c", "a@b\u{7}"] {
            assert_eq!(signed_up(&db, bad), Err(Problem::BadEmail), "{bad}");
        }
        signed_up(&db, " a@b.c ").unwrap();
        assert_eq!(signed_up(&db, "A@b.c"), Err(Problem::TakenEmail));
        assert_eq!(db.sign_in("a@B.c").map(|user| user.id), Ok(1));
        assert_eq!(db.sign_in("x@b.c"), Err(Problem::UnknownEmail));
    }

    #[test]
    fn a_post_has_a_title() {
        let db = Db::default();
        let author = signed_up(&db, "a@b.c").unwrap();
        let new = |title: &str| NewPost {
            title: title.into(),
            body: String::new(),
        };
        assert_eq!(db.insert_post(&author, new(" ")), Err(Problem::NoTitle));
        let post = db.insert_post(&author, new("One")).unwrap();
        assert_eq!(db.post(1), Ok(post));
        assert_eq!(db.post(2), Err(Problem::NoSuchPost));
        db.insert_post(&author, new("Two")).unwrap();
        assert_eq!(db.latest_posts(1)[0].title, "Two");
    }

    #[test]
    fn a_payment_is_of_the_user_of_its_id() {
        let db = Db::default();
        signed_up(&db, "a@b.c").unwrap();
        assert_eq!(db.mark_paid("1").payer, Some(1));
        assert_eq!(db.mark_paid("2").payer, None);
        assert_eq!(db.mark_paid("2").id, PaymentId::Number(2));
        assert_eq!(db.mark_paid("x").id, PaymentId::Text("x".into()));
    }
}
