//! Several guards of one route, as one: what they recorded goes with the route.

use actix_web::guard::{Guard, GuardContext};

use crate::record::current::try_current;

/// A guard that lets a request pass if this one does and all that are added to it with
/// [`and`](All::and).
///
/// As [`actix_web::guard::All`], and what was recorded by those that let the request pass is taken
/// back when a later one refuses: Actix tells nobody that it went on to the next route, so that a
/// guard by itself counts as soon as some route of its resource takes the request.
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

/// What [`all`] makes of several guards.
pub struct All(Vec<Box<dyn Guard>>);

impl All {
    /// Adds a guard, which is asked if all before it let the request pass.
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
        let begin = recorder.map(|recorder| recorder.checkpoint());
        self.0.iter().all(|guard| {
            let asked = recorder.map(|recorder| recorder.checkpoint());
            let passes = guard.check(ctx);
            if let (Some(recorder), Some(begin), Some(asked), false) =
                (recorder, begin, asked, passes)
            {
                recorder.rollback(begin, asked);
            }
            passes
        })
    }
}

impl std::fmt::Debug for All {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "All({} guards)", self.0.len())
    }
}
