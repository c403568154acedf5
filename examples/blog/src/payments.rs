//! What the payment provider reports.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, post, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::db::Db;
use crate::problem::Problem;

/// The user and password that the provider was given.
const CREDENTIALS: &str = "payments:ftw";

/// The provider sent the request.
pub(crate) struct Provider;

impl FromRequest for Provider {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|header| header.to_str().ok());
        let sent = header.and_then(|header| header.split_once(' '));
        let decoded = sent
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
            .and_then(|(_, credentials)| STANDARD.decode(credentials.trim()).ok());
        let known = decoded.is_some_and(|decoded| decoded == CREDENTIALS.as_bytes());
        ready(if known {
            Ok(Self)
        } else {
            Err(Problem::NotTheProvider)
        })
    }
}

#[derive(Deserialize)]
struct Notice {
    #[serde(default)]
    status: String,
    #[serde(default)]
    payment_id: String,
}

/// The provider calls; the event is the payer's.
#[mengpaneel::setup(when(let Some(payer) = payment.payer), identify(payer))]
#[mengpaneel::track("Complete Payment", via(server), "Payment ID" = payment.id, "Amount" = payment.amount)]
#[post("/payments/notify")]
pub(crate) async fn payment_notification(
    _: Provider,
    form: web::Form<Notice>,
    db: web::Data<Db>,
) -> &'static str {
    if form.status == "payment_complete" {
        let payment = db.mark_paid(&form.payment_id);
        tracing::info!("payment {:?} is complete", payment.id);
    }
    "[accepted]"
}
