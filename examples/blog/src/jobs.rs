//! Background jobs: work outside of requests.

use mengpaneel::Mengpaneel;

/// Renews a user's subscription, as a monthly job of a scheduler would.
pub async fn renew_subscription(mengpaneel: &Mengpaneel, subscription_id: u64, user_id: u64) {
    mengpaneel.scope(renew(subscription_id, user_id)).await;
}

#[mengpaneel::setup(identify(user_id))]
#[mengpaneel::track("Renew Subscription", "Subscription ID" = subscription_id)]
async fn renew(subscription_id: u64, user_id: u64) {
    tracing::info!("renewed subscription {subscription_id} of user {user_id}");
}
