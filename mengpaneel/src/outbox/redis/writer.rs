//! The writer: what is appended meanwhile goes to Redis with one script, one batch after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot::Sender;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::outbox::redis::connection::{Intake, QueryError, RedisConnection};
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::scripts::APPEND;

/// As many records share one script at most.
const MAX_GROUP: usize = 500;

/// How long a request waits for Redis to come back in the middle of an append.
const APPEND_TIMEOUT: Duration = Duration::from_secs(1);

/// How often it is looked whether it is back.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A record on its way.
pub(crate) struct Append {
    pub(crate) record: Vec<u8>,
    /// Whether it holds what would count twice.
    pub(crate) is_delicate: bool,
    pub(crate) answer: Sender<Result<(), String>>,
}

impl Append {
    fn answer(self, answer: Result<(), String>) {
        // Whoever gave up has somebody else wait in their place.
        drop(self.answer.send(answer));
    }
}

/// What appends.
pub(crate) struct Writer {
    link: Arc<RedisConnection>,
    keys: Arc<Keys>,
    appends: UnboundedReceiver<Append>,
    own_key: String,
    max_records: u64,
    number: u64,
    intake: Intake,
}

impl Writer {
    pub(crate) fn new(
        link: Arc<RedisConnection>,
        keys: Arc<Keys>,
        appends: UnboundedReceiver<Append>,
        max_records: u64,
    ) -> Self {
        let own_key = keys.writer(Uuid::new_v4());
        Self {
            link,
            keys,
            appends,
            own_key,
            max_records,
            number: 0,
            intake: Intake::default(),
        }
    }

    /// Works until nobody can append any more.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.appends.recv().await {
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(next) = self.appends.try_recv()
            {
                group.push(next);
            }
            if let Some(refusal) = self.intake.refusal() {
                decline(group, &refusal);
                continue;
            }
            self.number += 1;
            match self.try_append(&group).await {
                Ok(count) => self.answer(group, count),
                Err(QueryError::Unknown(_)) => self.find_out(group).await,
                Err(trouble) => decline(group, &trouble),
            }
        }
    }

    async fn try_append(&self, group: &[Append]) -> Result<usize, QueryError> {
        let (number, bound) = (self.number.to_string(), self.max_records.to_string());
        let mut args = vec![number.as_bytes(), bound.as_bytes()];
        args.extend(group.iter().map(|append| append.record.as_slice()));
        let keys = [
            self.keys.stream.as_str(),
            &self.keys.scheduled,
            &self.own_key,
        ];
        let appended = APPEND.run(&self.link, &keys, &args).await;
        self.intake.note(&appended, self.link.address());
        appended
    }

    /// All were kept, or none.
    fn answer(&self, group: Vec<Append>, count: usize) {
        for append in group {
            append.answer(if count > 0 { Ok(()) } else { Err(self.full()) });
        }
    }

    fn full(&self) -> String {
        format!(
            "as many records wait in Redis at {} as may ({})",
            self.link.address(),
            self.max_records
        )
    }

    /// A batch was sent and no answer came: asks again, by its number. Who waits is let go after a
    /// while: what can be sent twice goes another way then, what cannot stays here until it is
    /// known.
    async fn find_out(&mut self, group: Vec<Append>) {
        let until = Instant::now() + APPEND_TIMEOUT;
        while Instant::now() < until {
            match self.try_append(&group).await {
                Ok(count) => return self.answer(group, count),
                Err(QueryError::Refused(why)) => return decline(group, &QueryError::Refused(why)),
                Err(_) => self.pause().await,
            }
        }
        let (delicate, rest): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|append| append.is_delicate);
        decline(
            rest,
            &QueryError::Unknown(format!(
                "{}: whether it was kept is not known yet",
                self.link.address()
            )),
        );
        let mut kept = Vec::new();
        for append in delicate {
            let (answer, _) = tokio::sync::oneshot::channel();
            kept.push(Append {
                record: append.record,
                is_delicate: true,
                answer,
            });
            drop(append.answer.send(Ok(())));
        }
        loop {
            if kept.is_empty() {
                return;
            }
            self.pause().await;
            match self.try_append(&kept).await {
                Ok(0) => self.number += 1,
                Ok(_) => return,
                Err(_) if self.appends.is_closed() => {
                    tracing::error!(
                        target: "mengpaneel",
                        "{} records were on their way to Redis at {} when it went away, and whether they arrived is not known",
                        kept.len(),
                        self.link.address()
                    );
                    return;
                }
                Err(_) => {}
            }
        }
    }

    /// Waits a little. What comes meanwhile is declined at once.
    async fn pause(&mut self) {
        let mut over = std::pin::pin!(sleep(POLL_INTERVAL));
        loop {
            tokio::select! {
                () = &mut over => return,
                next = self.appends.recv() => match next {
                    Some(append) => {
                        decline(vec![append], &QueryError::Unreachable(format!("{}: it went away", self.link.address())));
                    }
                    None => return over.await,
                },
            }
        }
    }
}

fn decline(group: Vec<Append>, trouble: &QueryError) {
    for append in group {
        append.answer(Err(trouble.to_string()));
    }
}
