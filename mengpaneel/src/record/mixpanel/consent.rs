//! Opt-in and opt-out calls.

use serde_json::json;

use crate::call::Method;
use crate::record::mixpanel::Mixpanel;

impl Mixpanel {
    /// `mixpanel.opt_in_tracking`: records that the visitor agreed to be tracked.
    ///
    /// The response sets mixpanel-js's cookie. Calls that this request records afterwards are
    /// delivered, first the event `$opt_in`, as by mixpanel-js.
    #[track_caller]
    pub fn opt_in_tracking(&self) {
        self.call(Method::OptInTracking, vec![]);
    }

    /// `mixpanel.opt_out_tracking`: records that the visitor does not want to be tracked.
    ///
    /// The response sets mixpanel-js's cookie. The server delivers the calls that this request
    /// recorded before; later calls are dropped. The profile remains: `{"delete_user": false}`.
    #[track_caller]
    pub fn opt_out_tracking(&self) {
        self.call(Method::OptOutTracking, vec![json!({"delete_user": false})]);
    }

    /// `mixpanel.clear_opt_in_out_tracking`: removes the visitor's choice, and with the response
    /// mixpanel-js's cookie.
    #[track_caller]
    pub fn clear_opt_in_out_tracking(&self) {
        self.call(Method::ClearOptInOutTracking, vec![]);
    }
}
