//! `mengpaneel.js`, served by the application itself.

use std::fmt::{self, Write as _};

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::header::{self, ContentType};
use actix_web::mime::TEXT_JAVASCRIPT;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha384};

const SOURCE: &str = include_str!("../mengpaneel.js");
const UNHASHED_PATH: &str = "/mengpaneel.js";

/// Returns a service for `mengpaneel.js`, which marks a page's own requests as capable and runs the
/// calls of their responses.
///
/// The file is served at `/mengpaneel.js`, and at a path with its hash that may be cached forever.
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
    let hash: String = format!("{:x}", Sha256::digest(SOURCE))
        .chars()
        .take(16)
        .collect();
    Script {
        path: format!("/mengpaneel-{hash}.js"),
        integrity: format!("sha384-{}", STANDARD.encode(Sha384::digest(SOURCE))),
    }
}

/// Service for `mengpaneel.js`, created by [`script`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    path: String,
    integrity: String,
}

impl Script {
    /// Returns the path of the file, with its hash: `/mengpaneel-0123456789abcdef.js`. The content
    /// under a path never changes.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the integrity value of the file: `sha384-…`.
    pub fn integrity(&self) -> &str {
        &self.integrity
    }

    /// Returns a script element that loads the file. A Content-Security-Policy must list `'self'`.
    pub fn tag(&self) -> String {
        format!(
            "<script src=\"{}\" integrity=\"{}\"></script>",
            self.path, self.integrity
        )
    }

    /// Returns a script element that loads the file under a policy with a nonce. `nonce` is
    /// the value without the prefix `nonce-`.
    ///
    /// ```
    /// let tag = mengpaneel::script().tag_with_nonce("c2VjcmV0");
    /// assert!(tag.contains(r#" nonce="c2VjcmV0""#));
    /// ```
    pub fn tag_with_nonce(&self, nonce: &str) -> String {
        let (path, integrity, nonce) = (&self.path, &self.integrity, EscapedAttribute(nonce));
        format!("<script src=\"{path}\" integrity=\"{integrity}\" nonce=\"{nonce}\"></script>")
    }
}

/// Text escaped for a double-quoted HTML attribute.
struct EscapedAttribute<'a>(&'a str);

impl fmt::Display for EscapedAttribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '"' => f.write_str("&quot;"),
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            c => f.write_char(c),
        })
    }
}

impl HttpServiceFactory for Script {
    fn register(self, config: &mut AppService) {
        let paths = [UNHASHED_PATH.to_owned(), self.path];
        let routes = [web::get(), web::head()].map(|route| route.to(serve));
        let resource = web::resource(paths).name("mengpaneel.js");
        routes
            .into_iter()
            .fold(resource, actix_web::Resource::route)
            .register(config);
    }
}

async fn serve(request: HttpRequest) -> HttpResponse {
    let cache = if request.path().ends_with(UNHASHED_PATH) {
        "public, max-age=600"
    } else {
        "public, max-age=31536000, immutable"
    };
    HttpResponse::Ok()
        .content_type(ContentType(TEXT_JAVASCRIPT))
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(SOURCE)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    #[test]
    fn nonce_cannot_end_its_attribute() {
        let tag = script().tag_with_nonce("a\"><b&");
        assert!(
            tag.ends_with(" nonce=\"a&quot;>&lt;b&amp;\"></script>"),
            "{tag}"
        );
    }

    #[actix_web::test]
    async fn only_path_with_hash_is_immutable_in_caches() {
        let app = init_service(App::new().service(script())).await;
        for (path, cache) in [
            (script().path().to_owned(), "immutable"),
            (UNHASHED_PATH.to_owned(), "max-age=600"),
        ] {
            let response = call_service(&app, TestRequest::get().uri(&path).to_request()).await;
            let cache_control = response
                .headers()
                .get(header::CACHE_CONTROL)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            assert!(cache_control.contains(cache), "{path}: {cache_control}");
            assert_eq!(read_body(response).await, SOURCE);
            let head = TestRequest::default()
                .method(Method::HEAD)
                .uri(&path)
                .to_request();
            assert!(
                call_service(&app, head).await.status().is_success(),
                "HEAD {path}"
            );
        }
    }
}
