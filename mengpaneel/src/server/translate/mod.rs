//! Translation: from calls to the messages that mixpanel-js would have sent, or their like for
//! servers. A pure function: no clock, no chance, nothing but the parcel.

mod event;
mod profile;
mod state;

use serde_json::{Map, Value};

use super::message::Message;
use crate::call::{Call, Method, Mode};
use crate::parcel::Parcel;

use state::State;

/// What a parcel says, and what of it cannot be said by a server.
#[derive(Debug, Default)]
pub struct Translation {
    /// In the order in which they are to be delivered.
    pub messages: Vec<Message>,
    /// Calls that come to nothing, and why.
    pub refused: Vec<(Call, String)>,
}

/// Turns calls into messages. The parcel's context is run first: it decides who is there and what
/// goes with each event, and makes no message.
pub fn translate(token: &str, parcel: &Parcel) -> Translation {
    let mut translator =
        Translator { state: State::new(token, parcel), translation: Translation::default(), muted: true };
    for call in &parcel.context {
        translator.call(call);
    }
    translator.muted = false;
    for mode in [Mode::BeforeSetup, Mode::Setup, Mode::Tracking] {
        for call in parcel.calls.mode(mode) {
            translator.call(call);
        }
    }
    translator.translation
}

struct Translator<'a> {
    state: State<'a>,
    translation: Translation,
    /// Calls change the state, and are heard elsewhere.
    muted: bool,
}

/// What a call comes to: messages, or a reason why it cannot.
type Said = Result<Vec<Message>, String>;

impl Translator<'_> {
    fn call(&mut self, call: &Call) {
        match self.say(call) {
            _ if self.muted => {}
            Ok(messages) => self.translation.messages.extend(messages),
            Err(why) => self.translation.refused.push((call.clone(), why)),
        }
    }

    fn say(&mut self, call: &Call) -> Said {
        let state = &mut self.state;
        match call.method() {
            Method::Track => event::track(state, call, call.str_arg(0), call.properties()),
            Method::TrackPageview => event::page_view(state, call),
            Method::TrackWithGroups => event::with_groups(state, call),
            Method::TimeEvent => state.time_event(text(call, 0)?, call.args().get(1)),
            Method::Identify => event::identify(state, call, text(call, 0)?),
            Method::Alias => event::alias(state, call, text(call, 0)?, call.str_arg(1)),
            Method::Reset => state.reset(),
            Method::Register => state.register(object(call, 0)?),
            Method::RegisterOnce => state.register_once(object(call, 0)?, call.args().get(1)),
            Method::Unregister => state.unregister(text(call, 0)?),
            Method::SetGroup | Method::AddGroup | Method::RemoveGroup => profile::membership(state, call),
            Method::Disable => state.disable(call.args().first()),
            Method::OptInTracking => event::opt_in(state, call),
            Method::OptOutTracking => state.opt_out(),
            Method::ClearOptInOutTracking => state.forget_opt_out(),
            method if method.is_people() => profile::person(state, call),
            method if method.is_group() => profile::group(state, call),
            _ => Err(format!("{} is a method of browsers alone", call.method())),
        }
    }
}

/// A text argument.
fn text(call: &Call, index: usize) -> Result<&str, String> {
    call.str_arg(index).ok_or_else(|| format!("{} needs a text as argument {}", call.method(), index + 1))
}

/// An object argument.
fn object(call: &Call, index: usize) -> Result<&Map<String, Value>, String> {
    let argument = call.args().get(index).and_then(Value::as_object);
    argument.ok_or_else(|| format!("{} needs an object as argument {}", call.method(), index + 1))
}

#[cfg(test)]
mod tests;
