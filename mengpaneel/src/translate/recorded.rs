//! Properties of an event that the application recorded, and the names with a meaning.

#![expect(
    clippy::inline_always,
    reason = "without it, the result is copied through memory at the call"
)]

use crate::call::value::{Decoder, ValueRef};

/// Encoded properties of an event that the application recorded.
#[derive(Clone, Copy)]
pub(crate) struct RecordedProperties<'a> {
    count: usize,
    members: Decoder<'a>,
}

impl<'a> RecordedProperties<'a> {
    /// Reads the start of an object. `None` if the next value is none.
    #[inline]
    pub(crate) fn decode(mut decoder: Decoder<'a>) -> Option<Self> {
        let is_object = decoder.byte()? == b'o';
        let count = decoder.len().filter(|_| is_object)?;
        Some(Self {
            count,
            members: decoder,
        })
    }

    /// Reads the next member.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<(&'a [u8], ValueRef<'a>)> {
        self.count = self.count.checked_sub(1)?;
        Some((self.members.name()?, self.members.read()?))
    }

    /// Returns the decoder after the members that were read.
    pub(crate) fn rest(self) -> Decoder<'a> {
        self.members
    }

    /// Returns the value of the member `name`.
    pub(crate) fn get(mut self, name: &[u8]) -> Option<ValueRef<'a>> {
        for _ in 0..self.count {
            if self.members.name()? == name {
                return self.members.read();
            }
            self.members.skip()?;
        }
        None
    }
}

macro_rules! known {
    ($($name:ident = $text:literal,)+) => {
        /// Name of a property that every event may get without the application.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Known {
            $($name,)+
        }

        impl Known {
            /// Returns the known name that equals `name`.
            #[inline(always)]
            pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
                // Few names of applications begin with one of these characters.
                if !matches!(name, [b'$' | b'd' | b'i' | b'm' | b't', ..]) {
                    return None;
                }
                $(if name == $text.as_bytes() {
                    return Some(Self::$name);
                })+
                None
            }

            /// Returns the name as the start of a member: after a comma, in quotes, with a colon.
            pub(crate) const fn prefix(self) -> &'static str {
                match self {
                    $(Self::$name => concat!(",\"", $text, "\":"),)+
                }
            }
        }
    };
}

known! {
    Token = "token",
    DistinctId = "distinct_id",
    UserId = "$user_id",
    DeviceId = "$device_id",
    Time = "time",
    InsertId = "$insert_id",
    Duration = "$duration",
    Library = "mp_lib",
    LibraryVersion = "$lib_version",
    Ip = "ip",
    Referrer = "$referrer",
    ReferringDomain = "$referring_domain",
    CurrentUrl = "$current_url",
    Browser = "$browser",
    BrowserVersion = "$browser_version",
    Os = "$os",
    Device = "$device",
}

impl Known {
    /// Returns the name.
    pub(crate) fn name(self) -> &'static [u8] {
        let prefix = self.prefix().as_bytes();
        prefix.get(2..prefix.len() - 2).unwrap_or_default()
    }

    /// Returns the bit of the name in a set of names.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}
