//! Copies of what is delayed, in the post: kept in the outbox where that outlives the process, else
//! in memory; claimed by who says their calls in a page, and handed over when nobody did.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::Post;
use crate::claims::{Claims, Unclaimed};
use crate::clock::now_ms;
use crate::outbox::aside::CLAIM;
use crate::outbox::turn::Turn;
use crate::outbox::{Aside, Outbox};
use crate::parcel::Parcel;
use crate::server::Backoff;

/// How long a response waits for an outbox to keep a copy, or to say who has one.
const PATIENCE: Duration = Duration::from_millis(500);

/// How soon it is tried again to make known that a copy's calls were said.
const FIRST_SETTLING: Duration = Duration::from_millis(200);

/// As many copies wait at once for the outbox to hear that their calls were said.
const MAX_SETTLING: usize = 10_000;

impl Post {
    /// Keeps a copy of delayed calls, for the time when no page fetched them for so long: in the
    /// outbox if it outlives this process, else in memory.
    pub(crate) async fn keep_aside(
        self: &Arc<Self>,
        claims: &Claims,
        copy: Parcel,
        after: Duration,
    ) {
        let Some(outbox) = self.durable() else {
            return self.remember(claims, copy, after);
        };
        claims.kept_elsewhere(copy.id);
        let (post, claims) = (Arc::clone(self), claims.clone());
        // Goes on where the caller stops waiting: the response may be on its way already.
        let kept = self.go_on(async move {
            if let Err(declined) = outbox.keep_aside(copy, after).await {
                tracing::debug!(target: "mengpaneel", "a copy is kept in memory: {}", declined.reason);
                post.remember(&claims, *declined.parcel, after);
            }
        });
        drop(timeout(PATIENCE, kept).await);
    }

    fn remember(self: &Arc<Self>, claims: &Claims, copy: Parcel, after: Duration) {
        let id = copy.id;
        if claims.keep_aside(id, copy) {
            self.hand_over_unclaimed(claims.clone(), id, after);
        }
    }

    /// Claims delayed calls where a copy may be kept that outlives processes. Where that cannot be
    /// asked nothing is known.
    pub(crate) async fn claim(&self, id: Uuid) -> Aside {
        let Some(outbox) = self.durable() else {
            return Aside::Unknown;
        };
        let why = match timeout(PATIENCE, outbox.claim(id)).await {
            Ok(Ok(claimed)) => return claimed,
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        tracing::debug!(target: "mengpaneel", %id, "whether others have delayed calls is not known: {why}");
        Aside::Unknown
    }

    /// Ends such a claim.
    pub(crate) fn settle(self: &Arc<Self>, id: Uuid, is_said: bool) {
        let Some(outbox) = self.durable() else { return };
        let post = Arc::clone(self);
        drop(self.go_on(async move {
            // What was not said is due again by itself.
            if outbox.settle(id, is_said).await.is_err() && is_said {
                let runtime = post.runtime.clone();
                runtime.spawn(async move { post.settle_later(&*outbox, id).await });
            }
        }));
    }

    /// Makes known that calls were said, for as long as the claim holds: then the copy is sent. No
    /// delivery has to wait for that, nor does the end.
    async fn settle_later(&self, outbox: &dyn Outbox, id: Uuid) {
        let until = Instant::now() + CLAIM;
        let mut backoff = Backoff::between(FIRST_SETTLING, CLAIM / 4, now_ms());
        let turn = Turn::take(&self.settling, MAX_SETTLING);
        while turn.is_some() && Instant::now() < until && !self.is_closed() {
            sleep(backoff.after(None)).await;
            if outbox.settle(id, true).await.is_ok() {
                return;
            }
        }
        tracing::debug!(target: "mengpaneel", %id, "the outbox does not know that calls were said, and sends them again");
    }

    /// The outbox, if it outlives this process.
    fn durable(&self) -> Option<Arc<dyn Outbox>> {
        self.outbox
            .as_ref()
            .filter(|outbox| outbox.is_durable())
            .cloned()
    }

    /// Takes a delayed payload's copy once it was not claimed for so long.
    fn hand_over_unclaimed(self: &Arc<Self>, claims: Claims, id: Uuid, after: Duration) {
        let post = Arc::downgrade(self);
        self.runtime.spawn(async move {
            loop {
                sleep(after).await;
                let Some(post) = post.upgrade() else { return };
                match claims.unclaimed(id) {
                    Unclaimed::Copy(parcel) => return post.hand_over(*parcel),
                    Unclaimed::InUse => {}
                    Unclaimed::Gone => return,
                }
            }
        });
    }
}
