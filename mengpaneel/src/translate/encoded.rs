//! Fast path for encoded envelopes: one with only `identify` calls and plain events is translated
//! without being decoded.

use uuid::Uuid;

use crate::call::value::{Decoder, ValueRef};
use crate::call::{Method, is_placeholder};
use crate::record::envelope::codec;
use crate::translate::event_writer;
use crate::translate::event_writer::{EventTemplate, RecordedProperties};
use crate::translate::insert_id;
use crate::translate::outgoing::EncodedEvent;
use crate::translate::request_properties::RequestProperties;
use crate::translate::state::State;
use crate::translate::translator::Translator;

impl Translator {
    /// Translates an encoded envelope, and encodes the events at the end of `text`. `None` if the
    /// envelope must be decoded first: events that `emit` got until then must be discarded.
    pub(crate) fn translate_record(
        &self,
        (id, envelope): (Uuid, &[u8]),
        text: &mut Vec<u8>,
        emit: impl FnMut(EncodedEvent),
    ) -> Option<()> {
        let start = text.len();
        let translated = self.try_translate_record((id, envelope), text, emit);
        if translated.is_none() {
            text.truncate(start);
        }
        translated
    }

    fn try_translate_record(
        &self,
        (id, envelope): (Uuid, &[u8]),
        text: &mut Vec<u8>,
        mut emit: impl FnMut(EncodedEvent),
    ) -> Option<()> {
        let (visitor, mut calls) = codec::decode_header(envelope)?;
        let request = RequestProperties::new(&visitor, &self.user_agents);
        let template = EventTemplate {
            opening: &self.opening,
            envelope_id: id,
        };
        let (context, before_setup) = (calls.len()?, calls.len()?);
        if context + before_setup > 0 || request.is_robot {
            return None;
        }
        let setup = calls.len()?;
        let mut visitor_state =
            (setup > 0 || visitor.cookie.is_some()).then(|| State::new(&visitor));
        for _ in 0..setup {
            identify(&mut calls, visitor_state.as_mut()?)?;
        }
        let state = visitor_state.as_ref().unwrap_or(&self.anonymous);
        for index in 0..calls.len()? {
            let (name, recorded) = track(&mut calls)?;
            let start = text.len();
            let (partition_key, rest) =
                event_writer::write(text, name, recorded, state, &request, &template, || {
                    insert_id(id, index)
                })?;
            calls = rest;
            emit(EncodedEvent {
                json: start..text.len(),
                partition_key,
                index,
            });
        }
        Some(())
    }
}

/// Reads an `identify` call and applies it. `None` if the call is another, or makes an event.
fn identify(calls: &mut Decoder<'_>, state: &mut State) -> Option<()> {
    if calls.coded_method()? != &Method::Identify || calls.len()? != 1 {
        return None;
    }
    let id = calls.read()?.as_text().filter(|id| {
        !id.is_empty() && !id.starts_with("$device:") && !is_placeholder(id.as_bytes())
    })?;
    state.identify(Some(id)).is_none().then_some(())
}

/// Reads a `track` call up to its properties. Returns the name and the properties of the event.
/// `None` if the call is another, or has other arguments.
fn track<'a>(calls: &mut Decoder<'a>) -> Option<(&'a [u8], RecordedProperties<'a>)> {
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
    let recorded = if args == 2 {
        RecordedProperties::decode(*calls)?
    } else {
        RecordedProperties::empty(*calls)
    };
    Some((name, recorded))
}

/// Asserts that the fast path, if it applies, has the same result as `expected`.
#[cfg(test)]
pub(crate) fn assert_equal_translation(
    translator: &Translator,
    envelope: &crate::record::envelope::Envelope,
    expected: &super::Translation,
) {
    let (mut encoded, mut text, mut events) = (Vec::new(), Vec::new(), Vec::new());
    codec::write(envelope, &mut encoded);
    if translator
        .translate_record((envelope.id, &encoded), &mut text, |event| {
            events.push(event)
        })
        .is_none()
    {
        assert!(text.is_empty());
        return;
    }
    assert_eq!(
        (&expected.refused[..], &expected.truncated[..]),
        (&[][..], &[][..])
    );
    assert_eq!(events.len(), expected.messages.len());
    for (index, (event, message)) in events.into_iter().zip(&expected.messages).enumerate() {
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
