//! Example application of mengpaneel: a blog with sign-up, posts (as HTML, JSON and CSV) and
//! payments. `cargo run -p blog` starts it together with a stand-in for Mixpanel. The stand-in's
//! live page shows the received events and the strategy that delivered each of them.

mod app;
mod config;
mod db;
mod demo;
mod error;
mod jobs;
mod library;
mod live;
mod login;
mod pages;
mod payments;
mod plan;
mod posts;
mod sessions;
mod spa;
mod users;

pub use app::{Blog, StartError};
pub use config::{Config, ConfigError, Identity, Outbox, SessionStorage, VARIABLES, Variable};
pub use db::{Payment, PaymentId, Post, User};
pub use jobs::renew_subscription;
pub use library::Library;
