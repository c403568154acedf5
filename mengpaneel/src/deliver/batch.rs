//! Translation of leased records into the messages of one batch.

use uuid::Uuid;

use crate::call::Call;
use crate::deliver::partitions::Partitions;
use crate::deliver::sender::{DecodePolicy, Retranslator, Sender};
use crate::error::Reason;
use crate::outbox::Lease;
use crate::outbox::leased::LeasedRecord;
use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;

/// Messages of a set of leased records.
pub(crate) struct OutgoingBatch<'a> {
    sender: &'a Sender,
    decode_policy: DecodePolicy,
    /// Messages, each with the index of its record.
    pub(crate) messages: Vec<(usize, Outgoing)>,
    /// Buffers of the encoded messages.
    pub(crate) partitions: Partitions,
    /// ID of the oldest record: IDs sort by time.
    pub(crate) oldest_id: Option<Uuid>,
}

impl<'a> OutgoingBatch<'a> {
    /// Creates an empty batch for that number of records, which reuses the buffers of `partitions`.
    pub(crate) fn new(sender: &'a Sender, records: usize, mut partitions: Partitions) -> Self {
        partitions.reset(records, Endpoint::Events);
        Self {
            sender,
            decode_policy: sender.decode_policy(),
            messages: Vec::with_capacity(records),
            partitions,
            oldest_id: None,
        }
    }

    /// Adds the messages of a record. If the record is in doubt, its non-idempotent messages are
    /// reported instead.
    pub(crate) fn add(&mut self, record_index: usize, record: &mut LeasedRecord) {
        let id = record.envelope_id();
        if self.oldest_id.is_none() || id < self.oldest_id {
            self.oldest_id = id;
        }
        if self.try_add_encoded(record_index, record).is_some() {
            return;
        }
        let Some(lease) = record.decode() else { return };
        lease.attempts += 1;
        let mut outgoing = match lease.remaining.take() {
            Some(remaining) => remaining
                .into_iter()
                .map(|message| Outgoing::Message(Box::new(message)))
                .collect(),
            None => self.sender.translate(&lease.envelope, &mut self.partitions),
        };
        lease.remaining = Some(Vec::new());
        if std::mem::take(&mut lease.in_doubt) {
            let mut retranslator = Retranslator::new(&self.sender.translator);
            for message in outgoing.extract_if(.., |message| !message.is_idempotent()) {
                let reason =
                    Reason::InDoubt("the process that sent it ended before a response came".into());
                self.sender
                    .report(&retranslator.failure(&lease.envelope, message, reason));
            }
        }
        self.messages
            .extend(outgoing.into_iter().map(|message| (record_index, message)));
    }

    /// Adds the messages of an encoded record without decoding it. `None` if it must be decoded.
    fn try_add_encoded(&mut self, record_index: usize, record: &LeasedRecord) -> Option<()> {
        let LeasedRecord::Encoded(encoded) = record else {
            return None;
        };
        if self.decode_policy.must_decode(encoded.as_bytes()) {
            return None;
        }
        let count = self.messages.len();
        let push = |event| {
            self.messages.push((record_index, Outgoing::Encoded(event)));
        };
        let added = self.sender.translator.translate_record(
            encoded.as_bytes(),
            self.partitions.staging(),
            push,
        );
        if added.is_none() {
            self.messages.truncate(count);
        }
        self.partitions.distribute(
            self.messages
                .iter_mut()
                .skip(count)
                .filter_map(|(_, message)| message.as_encoded_mut()),
        );
        added
    }
}

/// Returns the calls of a record that are not delivered yet.
pub(crate) fn remaining_calls(lease: &Lease) -> Vec<Call> {
    match &lease.remaining {
        Some(remaining) => remaining
            .iter()
            .map(|message| message.call.clone())
            .collect(),
        None => lease.envelope.calls.iter().cloned().collect(),
    }
}

/// Adds a message that was not delivered to the remaining messages of its record, for the next
/// attempt.
pub(crate) fn retain_message(
    records: &mut [LeasedRecord],
    record_index: usize,
    message: Outgoing,
    retranslator: &mut Retranslator<'_>,
) {
    let Some(record) = records.get_mut(record_index) else {
        return;
    };
    let is_first_attempt = matches!(record, LeasedRecord::Encoded(_));
    let Some(lease) = record.decode() else { return };
    lease.attempts += u32::from(is_first_attempt);
    let message = retranslator.message(&lease.envelope, message);
    lease.remaining.get_or_insert_default().extend(message);
}
