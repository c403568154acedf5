//! Notifications of the payment provider.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, post, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::db::Db;
use crate::error::BlogError;

/// Provider's user and password.
const CREDENTIALS: &str = "payments:ftw";

/// Proof that a request carries the provider's credentials.
pub(crate) struct PaymentProvider;

impl FromRequest for PaymentProvider {
    type Error = BlogError;
    type Future = Ready<Result<Self, BlogError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|header| header.to_str().ok());
        let authorization = header.and_then(|header| header.split_once(' '));
        let credentials = authorization
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Basic"))
            .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
        let is_provider = credentials.is_some_and(|sent| sent == CREDENTIALS.as_bytes());
        ready(if is_provider {
            Ok(Self)
        } else {
            Err(BlogError::NotPaymentProvider)
        })
    }
}

#[derive(Deserialize)]
struct PaymentNotification {
    #[serde(default)]
    status: String,
    #[serde(default)]
    payment_id: String,
}

/// Handles the provider's notification of a payment. The event belongs to the payer.
#[mengpaneel::setup(when(let Some(payer) = payment.payer), identify(payer))]
#[mengpaneel::track("Complete Payment", via(server), "Payment ID" = payment.id, "Amount" = payment.amount)]
#[post("/payments/notify")]
pub(crate) async fn payment_notification(
    _: PaymentProvider,
    form: web::Form<PaymentNotification>,
    db: web::Data<Db>,
) -> &'static str {
    if form.status == "payment_complete" {
        let payment = db.mark_paid(&form.payment_id);
        tracing::info!("completed payment {:?}", payment.id);
    }
    "[accepted]"
}
