//! Claims: which delayed payloads this process has taken out of a session already.
//!
//! Two tabs that send one cookie bring one payload twice. The second claim drops its copy, unless
//! the answer that carried the first never got out.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// How many claims are remembered.
const BOUND: usize = 65_536;

/// The payloads that were claimed of late.
#[derive(Clone, Debug, Default)]
pub struct Claims(Arc<Mutex<Claimed>>);

#[derive(Debug, Default)]
struct Claimed {
    ids: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Claims {
    /// Claims a payload; `None` where another request has it.
    pub fn claim(&self, id: Uuid) -> Option<Claim> {
        let mut claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !claimed.ids.insert(id) {
            return None;
        }
        claimed.order.push_back(id);
        if claimed.order.len() > BOUND
            && let Some(oldest) = claimed.order.pop_front()
        {
            claimed.ids.remove(&oldest);
        }
        Some(Claim { claims: self.clone(), ids: vec![id], kept: false })
    }
}

/// A claim, given back when it is dropped before it was kept.
#[derive(Debug)]
#[must_use = "a claim that is dropped is given back"]
pub struct Claim {
    claims: Claims,
    ids: Vec<Uuid>,
    kept: bool,
}

impl Claim {
    /// One claim on what two were on.
    pub fn join(first: Option<Self>, mut second: Self) -> Self {
        if let Some(mut first) = first {
            second.ids.append(&mut first.ids);
        }
        second
    }

    /// The calls are on their way: copies of them are dropped from here on.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.kept {
            let mut claimed = self.claims.0.lock().unwrap_or_else(PoisonError::into_inner);
            for id in &self.ids {
                claimed.ids.remove(id);
            }
            claimed.order.retain(|id| !self.ids.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_claimed_once() {
        let (claims, id) = (Claims::default(), Uuid::now_v7());
        claims.claim(id).unwrap().keep();
        assert!(claims.claim(id).is_none());
    }

    #[test]
    fn a_claim_whose_answer_never_got_out_is_given_back() {
        let (claims, id) = (Claims::default(), Uuid::now_v7());
        drop(claims.claim(id));
        assert!(claims.claim(id).is_some());
    }

    #[test]
    fn only_so_many_claims_are_remembered() {
        let claims = Claims::default();
        let first = Uuid::now_v7();
        claims.claim(first).unwrap().keep();
        for _ in 0..BOUND {
            claims.claim(Uuid::now_v7()).unwrap().keep();
        }
        assert!(claims.claim(first).is_some());
    }
}
