//! What is to be said of the records that the worker has in its hands.

use uuid::Uuid;

use crate::call::Call;
use crate::deliver::partitions::Partitions;
use crate::deliver::sender::{DecodePolicy, Retranslator, Sender};
use crate::error::Reason;
use crate::outbox::Lease;
use crate::outbox::leased::LeasedRecord;
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;

/// What is to be said of some records.
pub(crate) struct OutgoingBatch<'a> {
    sender: &'a Sender,
    decode_policy: DecodePolicy,
    /// Each behind the place of its record.
    pub(crate) messages: Vec<(usize, Outgoing)>,
    /// Where what is written stands.
    pub(crate) partitions: Partitions,
    /// The name of the oldest record: names are in the order of time.
    pub(crate) oldest: Option<Uuid>,
}

impl<'a> OutgoingBatch<'a> {
    /// Nothing of so many yet; it is written in the place of what stands in `lanes`.
    pub(crate) fn new(sender: &'a Sender, records: usize, mut lanes: Partitions) -> Self {
        lanes.reset(records, Endpoint::Events);
        Self {
            sender,
            decode_policy: sender.decode_policy(),
            messages: Vec::with_capacity(records),
            partitions: lanes,
            oldest: None,
        }
    }

    /// Adds what is to be said of a record, which stands at that place. What may have arrived
    /// already, and would count twice, is told of instead.
    pub(crate) fn add(&mut self, owner: usize, record: &mut LeasedRecord) {
        let id = record.envelope_id();
        if self.oldest.is_none() || id < self.oldest {
            self.oldest = id;
        }
        if self.try_add_encoded(owner, record).is_some() {
            return;
        }
        let Some(lease) = record.decode() else { return };
        lease.attempts += 1;
        let mut said = match lease.remaining.take() {
            Some(left) => left
                .into_iter()
                .map(|message| Outgoing::Message(Box::new(message)))
                .collect(),
            None => self.sender.translate(&lease.envelope, &mut self.partitions),
        };
        lease.remaining = Some(Vec::new());
        if std::mem::take(&mut lease.in_doubt) {
            let mut again = Retranslator::new(self.sender);
            for one in said.extract_if(.., |one| !one.is_idempotent()) {
                let reason = Reason::InDoubt("who sent it ended before an answer came".into());
                self.sender
                    .report(&again.failure(&lease.envelope, one, reason));
            }
        }
        self.messages
            .extend(said.into_iter().map(|said| (owner, said)));
    }

    /// The same of one that need not be taken apart; `None` where it must be.
    fn try_add_encoded(&mut self, owner: usize, record: &LeasedRecord) -> Option<()> {
        let LeasedRecord::Encoded(sealed) = record else {
            return None;
        };
        if self.decode_policy.must_decode(sealed.as_bytes()) {
            return None;
        }
        let before = self.messages.len();
        let say = |event| self.messages.push((owner, Outgoing::Encoded(event)));
        let added = self
            .sender
            .translate_record(sealed.as_bytes(), self.partitions.staging(), say);
        if added.is_none() {
            self.messages.truncate(before);
        }
        self.partitions.distribute(
            self.messages
                .iter_mut()
                .skip(before)
                .filter_map(|(_, said)| said.as_encoded_mut()),
        );
        added
    }
}

/// The calls that are left of a record.
pub(crate) fn remaining_calls(lease: &Lease) -> Vec<Call> {
    match &lease.remaining {
        Some(left) => left.iter().map(|message| message.call.clone()).collect(),
        None => lease.envelope.calls.iter().cloned().collect(),
    }
}

/// It was tried, and is left of its record.
pub(crate) fn requeue(
    records: &mut [LeasedRecord],
    owner: usize,
    said: Outgoing,
    again: &mut Retranslator<'_>,
) {
    let Some(record) = records.get_mut(owner) else {
        return;
    };
    let is_first = matches!(record, LeasedRecord::Encoded(_));
    let Some(lease) = record.decode() else { return };
    lease.attempts += u32::from(is_first);
    let message = again.message(&lease.envelope, said);
    lease.remaining.get_or_insert_default().extend(message);
}
