//! Names of properties with a meaning.

macro_rules! known {
    ($($name:ident = $text:literal,)+) => {
        /// Name of a property that every event may get without the application.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Known {
            $($name,)+
        }

        impl Known {
            /// Returns the known name that equals `name`.
            #[inline]
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
    pub(crate) fn name(self) -> &'static str {
        let prefix = self.prefix();
        prefix.get(2..prefix.len() - 2).unwrap_or_default()
    }

    /// Returns the known name of an ID that equals `name`.
    pub(crate) fn from_id_name(name: &[u8]) -> Option<Self> {
        match name {
            b"distinct_id" => Some(Self::DistinctId),
            b"$user_id" => Some(Self::UserId),
            b"$device_id" => Some(Self::DeviceId),
            _ => None,
        }
    }

    /// Returns the bit of the name in a set of names.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}
