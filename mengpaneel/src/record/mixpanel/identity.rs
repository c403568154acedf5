//! Identity: users, devices and groups.

use crate::call::{Args, Method};
use crate::record::mixpanel::{Id, Ids, Mixpanel, encode_id, encode_ids};

impl Mixpanel {
    /// `mixpanel.identify`: identifies the visitor as the user with this [`Id`].
    ///
    /// Mixpanel rejects placeholder IDs such as `undefined`, `null`, `0` or `anonymous`. This
    /// crate removes them from every call and reports each to `on_error` once per call site.
    #[track_caller]
    pub fn identify(&self, id: impl Id) {
        self.call_with_id(Method::Identify, id);
    }

    /// `mixpanel.alias`: links the anonymous visitor to the user with this ID.
    ///
    /// Only projects with Mixpanel's legacy identity management need it: once, at sign-up, in
    /// [`before_setup`](Self::before_setup). For all others [`identify`](Self::identify) is enough.
    #[track_caller]
    pub fn alias(&self, alias: impl Id) {
        self.call_with_id(Method::Alias, alias);
    }

    /// Returns the ID under which Mixpanel counts the visitor now.
    ///
    /// The last `identify` of this request or job decides, or else mixpanel-js's cookie. The ID of
    /// an anonymous visitor begins with `$device:`.
    ///
    /// `None` if the ID is unknown: on a visitor's first request, after [`reset`](Self::reset), or
    /// if mixpanel-js does not store its state in cookies. Also `None` without consent or token.
    ///
    /// ```
    /// # async fn pay(mixpanel: mengpaneel::Mixpanel) -> Option<String> {
    /// // A payment provider returns the ID to the webhook, which calls `mengpaneel.as_user(id)`: users only.
    /// mixpanel.distinct_id().filter(|id| !id.starts_with("$device:"))
    /// # }
    /// ```
    pub fn distinct_id(&self) -> Option<String> {
        self.recorder.as_ref()?.distinct_id()
    }

    /// Returns the device ID of mixpanel-js's cookie, a UUID. `None` if
    /// [`distinct_id`](Self::distinct_id) cannot know the browser: also in a job and with
    /// [`as_user`](crate::Mengpaneel::as_user).
    pub fn device_id(&self) -> Option<String> {
        self.recorder.as_ref()?.device_id()
    }

    /// `mixpanel.reset`: clears the identity and the super properties. For sign-out.
    #[track_caller]
    pub fn reset(&self) {
        self.call(Method::Reset, vec![]);
    }

    /// `mixpanel.set_group`: sets the visitor's group, or a list of groups.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "other IDs too are passed by value or by reference"
    )]
    pub fn set_group(&self, key: impl AsRef<str>, ids: impl Ids) {
        let mut args = Args::with_capacity();
        args.push_text(key.as_ref());
        args.push(|to| encode_ids(&ids, to));
        self.call_encoded(Method::SetGroup, args);
    }

    /// `mixpanel.add_group`: adds the visitor to a group.
    #[track_caller]
    pub fn add_group(&self, key: impl AsRef<str>, id: impl Id) {
        self.call_with_key_and_id(Method::AddGroup, key, id);
    }

    /// `mixpanel.remove_group`: removes the visitor from a group.
    #[track_caller]
    pub fn remove_group(&self, key: impl AsRef<str>, id: impl Id) {
        self.call_with_key_and_id(Method::RemoveGroup, key, id);
    }

    #[track_caller]
    fn call_with_id(&self, method: Method, id: impl Id) {
        let mut args = Args::with_capacity();
        args.push(|to| encode_id(&id, to));
        self.call_encoded(method, args);
    }

    #[track_caller]
    fn call_with_key_and_id(&self, method: Method, key: impl AsRef<str>, id: impl Id) {
        let mut args = Args::with_capacity();
        args.push_text(key.as_ref());
        args.push(|to| encode_id(&id, to));
        self.call_encoded(method, args);
    }
}
