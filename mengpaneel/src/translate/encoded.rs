//! Sealed parcels: those whose calls are an identity and plain events are said as they stand
//! written, without being taken apart.

use crate::call::value::{Decoder, ValueRef};
use crate::call::{Method, is_placeholder};
use crate::record::envelope::codec;
use crate::translate::event_writer;
use crate::translate::event_writer::{EventTemplate, OwnProperties};
use crate::translate::facts::RequestProperties;
use crate::translate::insert_id;
use crate::translate::interpreter::Translator;
use crate::translate::outgoing::EncodedEvent;
use crate::translate::state::State;

impl Translator {
    /// What a compact parcel comes to, written at the end of `text`. `None` where it has to be
    /// taken apart for that: what `say` was given till then does not count.
    pub(crate) fn translate_record(
        &self,
        parcel: &[u8],
        text: &mut Vec<u8>,
        say: impl FnMut(EncodedEvent),
    ) -> Option<()> {
        let start = text.len();
        let said = self.try_translate_record(parcel, text, say);
        if said.is_none() {
            text.truncate(start);
        }
        said
    }

    fn try_translate_record(
        &self,
        parcel: &[u8],
        text: &mut Vec<u8>,
        mut say: impl FnMut(EncodedEvent),
    ) -> Option<()> {
        let (id, visit, mut calls) = codec::decode_header(parcel)?;
        let facts = RequestProperties::of(&visit, &self.agents);
        let common = EventTemplate {
            opening: &self.opening,
            parcel: id,
        };
        let (context, before_setup) = (calls.len()?, calls.len()?);
        if context + before_setup > 0 || facts.is_robot {
            return None;
        }
        let setup = calls.len()?;
        let mut known = (setup > 0 || visit.cookie.is_some()).then(|| State::new(&visit));
        for _ in 0..setup {
            identify(&mut calls, known.as_mut()?)?;
        }
        let state = known.as_ref().unwrap_or(&self.nobody);
        for index in 0..calls.len()? {
            let (name, own) = track(&mut calls)?;
            let start = text.len();
            let (owner, behind) =
                event_writer::write(text, name, own, state, &facts, &common, || {
                    insert_id(id, index)
                })?;
            calls = behind;
            say(EncodedEvent {
                json: start..text.len(),
                partition_key: owner,
                index,
            });
        }
        Some(())
    }
}

/// Identifies who is there, where that makes no event.
fn identify(calls: &mut Decoder<'_>, state: &mut State) -> Option<()> {
    if calls.coded_method()? != &Method::Identify || calls.len()? != 1 {
        return None;
    }
    let id = calls.read()?.as_text().filter(|id| {
        !id.is_empty() && !id.starts_with("$device:") && !is_placeholder(id.as_bytes())
    })?;
    state.identify(Some(id)).is_none().then_some(())
}

/// An event's name, and what the application says of it, up to which it is read.
fn track<'a>(calls: &mut Decoder<'a>) -> Option<(&'a [u8], OwnProperties<'a>)> {
    if calls.coded_method()? != &Method::Track {
        return None;
    }
    let args = calls.len()?;
    if args == 0 || args > 2 {
        return None;
    }
    let ValueRef::Text(name @ [_, ..]) = calls.read()? else {
        return None;
    };
    let own = if args == 2 {
        OwnProperties::of(*calls)?
    } else {
        OwnProperties::none(*calls)
    };
    Some((name, own))
}

/// Holds what is said of a sealed parcel against what is said of it otherwise.
#[cfg(test)]
pub(crate) fn agrees(
    interpreter: &Translator,
    parcel: &crate::record::envelope::Envelope,
    otherwise: &super::Translation,
) {
    let (mut sealed, mut text, mut said) = (Vec::new(), Vec::new(), Vec::new());
    codec::write(parcel, &mut sealed);
    if interpreter
        .translate_record(&sealed, &mut text, |event| said.push(event))
        .is_none()
    {
        assert!(text.is_empty());
        return;
    }
    assert_eq!(
        (&otherwise.refused[..], &otherwise.cut[..]),
        (&[][..], &[][..])
    );
    assert_eq!(said.len(), otherwise.messages.len());
    for (index, (event, message)) in said.into_iter().zip(&otherwise.messages).enumerate() {
        let body: serde_json::Value = serde_json::from_slice(&text[event.json]).unwrap();
        assert_eq!((event.index, &body), (index, &message.body));
        assert_eq!(
            event.partition_key,
            crate::translate::outgoing::partition_key(
                body["properties"]["distinct_id"]
                    .as_str()
                    .map(str::as_bytes)
            )
        );
    }
}
