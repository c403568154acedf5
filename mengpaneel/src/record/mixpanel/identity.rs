//! Who is there: users, devices and the groups that a user belongs to.

use crate::call::{Args, Method};
use crate::record::mixpanel::{Id, Ids, Mixpanel, write_id, write_ids};

impl Mixpanel {
    /// `mixpanel.identify`: who is there, by an [`Id`].
    ///
    /// Mixpanel rejects IDs that programs write where none is known, such as `undefined`, `null`,
    /// `0` or `anonymous`. Such an ID is left out, here and everywhere else, and reported to
    /// `on_error` once for each place in the code.
    #[track_caller]
    pub fn identify(&self, id: impl Id) {
        self.with_id(Method::Identify, id);
    }

    /// `mixpanel.alias`: the visitor known so far is the user of this ID. For projects with
    /// Mixpanel's legacy identity management: once, at sign-up, in
    /// [`before_setup`](Self::before_setup). All others need [`identify`](Self::identify)
    /// alone.
    #[track_caller]
    pub fn alias(&self, alias: impl Id) {
        self.with_id(Method::Alias, alias);
    }

    /// Returns the ID that Mixpanel would count the visitor as by now: who was identified so far in
    /// this request or job, else who mixpanel-js's cookie names. For an anonymous visitor it
    /// begins with `$device:`.
    ///
    /// `None` where nobody knows, and for visitors without consent: on a visitor's first request,
    /// after [`reset`](Self::reset), where mixpanel-js keeps its state out of cookies, and
    /// without a token.
    ///
    /// ```
    /// # async fn pay(mixpanel: mengpaneel::Mixpanel) -> Option<String> {
    /// // A payment provider hands it back to the webhook, which calls `mengpaneel.as_user(id)`: users only.
    /// mixpanel.distinct_id().filter(|id| !id.starts_with("$device:"))
    /// # }
    /// ```
    pub fn distinct_id(&self) -> Option<String> {
        self.recorder.as_ref()?.distinct_id()
    }

    /// Returns the device of mixpanel-js's cookie, a UUID. `None` where
    /// [`distinct_id`](Self::distinct_id) knows nothing of the browser: also in a job and with
    /// [`as_user`](crate::Mengpaneel::as_user).
    pub fn device_id(&self) -> Option<String> {
        self.recorder.as_ref()?.device_id()
    }

    /// `mixpanel.reset`: forgets who was identified, and the super properties. At sign-out.
    #[track_caller]
    pub fn reset(&self) {
        self.call(Method::Reset, vec![]);
    }

    /// `mixpanel.set_group`: the visitor belongs to this group, or to each of a list.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "taken as other IDs are, by value or by reference"
    )]
    pub fn set_group(&self, key: impl AsRef<str>, ids: impl Ids) {
        let mut args = Args::with_capacity();
        args.push_text(key.as_ref());
        args.push(|to| write_ids(&ids, to));
        self.call_written(Method::SetGroup, args);
    }

    /// `mixpanel.add_group`: the visitor belongs to this group too.
    #[track_caller]
    pub fn add_group(&self, key: impl AsRef<str>, id: impl Id) {
        self.with_key_and_id(Method::AddGroup, key, id);
    }

    /// `mixpanel.remove_group`: the visitor no longer belongs to this group.
    #[track_caller]
    pub fn remove_group(&self, key: impl AsRef<str>, id: impl Id) {
        self.with_key_and_id(Method::RemoveGroup, key, id);
    }

    #[track_caller]
    fn with_id(&self, method: Method, id: impl Id) {
        let mut args = Args::with_capacity();
        args.push(|to| write_id(&id, to));
        self.call_written(method, args);
    }

    #[track_caller]
    fn with_key_and_id(&self, method: Method, key: impl AsRef<str>, id: impl Id) {
        let mut args = Args::with_capacity();
        args.push_text(key.as_ref());
        args.push(|to| write_id(&id, to));
        self.call_written(method, args);
    }
}
