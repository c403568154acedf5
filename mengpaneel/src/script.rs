//! `mengpaneel.js`, served by the application itself.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::header::{self, ContentType};
use actix_web::mime::TEXT_JAVASCRIPT;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha384};

const SOURCE: &str = include_str!("mengpaneel.js");
const PLAIN: &str = "/mengpaneel.js";

/// `mengpaneel.js` as a service: it marks a page's own requests as capable, and runs the calls that
/// their answers bring. At `/mengpaneel.js`, and at a hashed name that may be kept for ever.
///
/// ```
/// use actix_web::App;
///
/// let script = mengpaneel::script();
/// let tag = script.tag(); // for the page's templates
/// assert!(tag.contains("integrity="));
/// let app = App::new().service(script);
/// # let _ = app;
/// ```
pub fn script() -> Script {
    let name: String = format!("{:x}", Sha256::digest(SOURCE)).chars().take(16).collect();
    Script {
        path: format!("/mengpaneel-{name}.js"),
        integrity: format!("sha384-{}", STANDARD.encode(Sha384::digest(SOURCE))),
    }
}

/// What [`script`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    path: String,
    integrity: String,
}

impl Script {
    /// The hashed path, under which the file never changes: `/mengpaneel-0123456789abcdef.js`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file's integrity value: `sha384-…`.
    pub fn integrity(&self) -> &str {
        &self.integrity
    }

    /// The element that loads it.
    pub fn tag(&self) -> String {
        format!("<script src=\"{}\" integrity=\"{}\"></script>", self.path, self.integrity)
    }
}

impl HttpServiceFactory for Script {
    fn register(self, config: &mut AppService) {
        let paths = [PLAIN.to_owned(), self.path];
        web::resource(paths).name("mengpaneel.js").route(web::get().to(serve)).register(config);
    }
}

async fn serve(request: HttpRequest) -> HttpResponse {
    let cache =
        if request.path().ends_with(PLAIN) { "public, max-age=600" } else { "public, max-age=31536000, immutable" };
    HttpResponse::Ok()
        .content_type(ContentType(TEXT_JAVASCRIPT))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(SOURCE)
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;

    #[actix_web::test]
    async fn the_hashed_name_may_be_kept_for_ever_and_the_plain_one_not() {
        let app = test::init_service(App::new().service(script())).await;
        for (path, cache) in [(script().path().to_owned(), "immutable"), (PLAIN.to_owned(), "max-age=600")] {
            let answer = test::call_service(&app, test::TestRequest::get().uri(&path).to_request()).await;
            let kept = answer.headers().get(header::CACHE_CONTROL).unwrap().to_str().unwrap().to_owned();
            assert!(kept.contains(cache), "{path}: {kept}");
            assert_eq!(test::read_body(answer).await, SOURCE);
        }
    }
}
