//! What is to be said of the records that the worker has in its hands.

use uuid::Uuid;

use crate::call::Call;
use crate::deliver::partitions::Lanes;
use crate::deliver::sender::{Again, Sender, ToTakeApart};
use crate::error::Reason;
use crate::outbox::Lease;
use crate::outbox::leased::Taken;
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Said;

/// What is to be said of some records.
pub(crate) struct Batch<'a> {
    sender: &'a Sender,
    apart: ToTakeApart,
    /// Each behind the place of its record.
    pub(crate) said: Vec<(usize, Said)>,
    /// Where what is written stands.
    pub(crate) lanes: Lanes,
    /// The name of the oldest record: names are in the order of time.
    pub(crate) oldest: Option<Uuid>,
}

impl<'a> Batch<'a> {
    /// Nothing of so many yet; it is written in the place of what stands in `lanes`.
    pub(crate) fn new(sender: &'a Sender, records: usize, mut lanes: Lanes) -> Self {
        lanes.open(records, Endpoint::Events);
        Self {
            sender,
            apart: sender.to_take_apart(),
            said: Vec::with_capacity(records),
            lanes,
            oldest: None,
        }
    }

    /// Adds what is to be said of a record, which stands at that place. What may have arrived
    /// already, and would count twice, is told of instead.
    pub(crate) fn add(&mut self, owner: usize, record: &mut Taken) {
        let id = record.parcel_id();
        if self.oldest.is_none() || id < self.oldest {
            self.oldest = id;
        }
        if self.add_sealed(owner, record).is_some() {
            return;
        }
        let Some(lease) = record.open() else { return };
        lease.attempts += 1;
        let mut said = match lease.remaining.take() {
            Some(left) => left
                .into_iter()
                .map(|message| Said::Message(Box::new(message)))
                .collect(),
            None => self.sender.said(&lease.parcel, &mut self.lanes),
        };
        lease.remaining = Some(Vec::new());
        if std::mem::take(&mut lease.in_doubt) {
            let mut again = Again::new(self.sender);
            for one in said.extract_if(.., |one| !one.is_repeatable()) {
                let reason = Reason::InDoubt("who sent it ended before an answer came".into());
                self.sender.tell(&again.failure(&lease.parcel, one, reason));
            }
        }
        self.said.extend(said.into_iter().map(|said| (owner, said)));
    }

    /// The same of one that need not be taken apart; `None` where it must be.
    fn add_sealed(&mut self, owner: usize, record: &Taken) -> Option<()> {
        let Taken::Sealed(sealed) = record else {
            return None;
        };
        if self.apart.has(sealed.written()) {
            return None;
        }
        let before = self.said.len();
        let say = |event| self.said.push((owner, Said::Written(event)));
        let added = self.sender.sealed(sealed.written(), self.lanes.desk(), say);
        if added.is_none() {
            self.said.truncate(before);
        }
        self.lanes.take(
            self.said
                .iter_mut()
                .skip(before)
                .filter_map(|(_, said)| said.as_written_mut()),
        );
        added
    }
}

/// The calls that are left of a record.
pub(crate) fn calls_of(lease: &Lease) -> Vec<Call> {
    match &lease.remaining {
        Some(left) => left.iter().map(|message| message.call.clone()).collect(),
        None => lease.parcel.calls.iter().cloned().collect(),
    }
}

/// It was tried, and is left of its record.
pub(crate) fn keep(records: &mut [Taken], owner: usize, said: Said, again: &mut Again<'_>) {
    let Some(record) = records.get_mut(owner) else {
        return;
    };
    let is_first = matches!(record, Taken::Sealed(_));
    let Some(lease) = record.open() else { return };
    lease.attempts += u32::from(is_first);
    let message = again.message(&lease.parcel, said);
    lease.remaining.get_or_insert_default().extend(message);
}
