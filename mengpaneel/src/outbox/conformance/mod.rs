#![doc = include_str!("your_own.md")]

mod dead_letters;
mod fallback;
pub(crate) mod fixtures;
mod queue;
mod restart;

use crate::outbox::Outbox;
use crate::outbox::conformance::fixtures::opened;

/// Checks an outbox against the promises of [`Outbox`]. Each outbox from `make` must be new and
/// empty.
///
/// # Panics
/// The outbox breaks a promise of [`Outbox`].
pub async fn check<O: Outbox>(make: impl Fn() -> O) {
    queue::records_are_leased_in_append_order(&opened(&make)).await;
    queue::lease_waits_for_a_later_append(&opened(&make)).await;
    queue::dropped_lease_loses_no_record(&opened(&make)).await;
    queue::concurrent_leases_share_no_record(&opened(&make)).await;
    queue::acknowledged_record_is_removed(&opened(&make)).await;
    queue::retried_record_has_its_current_state(&opened(&make)).await;
    queue::retried_record_is_not_due_early(&opened(&make)).await;
    dead_letters::dead_letter_is_not_leased(&opened(&make)).await;
    dead_letters::dead_letters_are_requeued_in_order(&opened(&make)).await;
    queue::dropped_append_stores_once_or_never(&opened(&make)).await;
    fallback::unclaimed_copy_becomes_due(&opened(&make)).await;
    fallback::copy_has_one_claim_at_a_time(&opened(&make)).await;
}

/// Checks an outbox that outlives its process. Each call of `make` happens after the outbox before
/// was dropped, and must find its records. An engine that waits before it takes over the records of
/// a dead process must be set to wait two seconds at most.
///
/// # Panics
/// The outbox breaks a promise of [`Outbox`].
pub async fn check_durable<O: Outbox>(make: impl Fn() -> O) {
    restart::pending_records_survive_a_restart(&make).await;
    restart::leased_records_are_redelivered(&make).await;
    restart::records_marked_as_sending_are_in_doubt(&make).await;
    restart::record_orphaned_twice_is_leased_alone(&make).await;
    restart::remaining_messages_survive_a_restart(&make).await;
    dead_letters::dead_letter_in_doubt_is_requeued_in_doubt(&make).await;
    fallback::copies_survive_a_restart(&make).await;
}
