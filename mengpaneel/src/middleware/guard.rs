//! Guards that are joined into one: their calls count only if all of them accept the request.

use actix_web::guard::{Guard, GuardContext};

use crate::record::current::try_current;

/// Returns a guard that accepts a request if `guard` and all guards added with [`and`](All::and)
/// accept it.
///
/// In contrast to [`actix_web::guard::All`], the recorded calls of accepting guards are rolled back
/// when a later guard refuses. Actix does not report that it tried the next route. So calls of a
/// single guard count as soon as any route of its resource accepts the request.
///
/// ```
/// use actix_web::guard::{GuardContext, Header, fn_guard};
/// use actix_web::{HttpResponse, web};
///
/// #[mengpaneel::track("Invited", code = code)]
/// fn is_invited(ctx: &GuardContext<'_>) -> bool {
///     let code = ctx.head().uri.query().unwrap_or_default().to_owned();
///     code.starts_with("invited=")
/// }
///
/// let guards = mengpaneel::guard::all(fn_guard(is_invited)).and(Header("accept", "text/html"));
/// let join = web::resource("/join")
///     .route(web::get().guard(guards).to(HttpResponse::Ok))
///     .route(web::get().to(HttpResponse::Forbidden));
/// # let _ = join;
/// ```
pub fn all(guard: impl Guard + 'static) -> All {
    All(vec![Box::new(guard)])
}

/// Several guards joined by [`all`].
pub struct All(Vec<Box<dyn Guard>>);

impl All {
    /// Adds a guard. It is checked if all guards before it accept the request.
    #[must_use]
    pub fn and(mut self, guard: impl Guard + 'static) -> Self {
        self.0.push(Box::new(guard));
        self
    }
}

impl Guard for All {
    fn check(&self, ctx: &GuardContext<'_>) -> bool {
        let mixpanel = try_current();
        let recorder = mixpanel.as_ref().and_then(|mixpanel| mixpanel.recorder());
        let start = recorder.map(|recorder| recorder.checkpoint());
        self.0.iter().all(|guard| {
            let before_check = recorder.map(|recorder| recorder.checkpoint());
            let accepts = guard.check(ctx);
            if let (Some(recorder), Some(start), Some(before_check), false) =
                (recorder, start, before_check, accepts)
            {
                recorder.rollback(start, before_check);
            }
            accepts
        })
    }
}

impl std::fmt::Debug for All {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "All({} guards)", self.0.len())
    }
}
