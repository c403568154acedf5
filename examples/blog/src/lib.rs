//! The example of mengpaneel: people sign up, in and out, write posts as HTML or JSON, and a
//! payment provider reports payments. `cargo run -p blog` starts it, together with a stand-in for
//! Mixpanel whose live page shows what arrived there and by which strategy.

mod app;
mod config;
mod db;
mod demo;
mod jobs;
mod library;
mod live;
mod login;
mod pages;
mod payments;
mod plan;
mod posts;
mod problem;
mod sessions;
mod spa;
mod users;

pub use app::{Blog, StartError};
pub use config::{Config, ConfigError, Identity, Outbox, SessionStorage, VARIABLES, Variable};
pub use db::{Payment, PaymentId, Post, User};
pub use jobs::renew_subscription;
pub use library::Library;
