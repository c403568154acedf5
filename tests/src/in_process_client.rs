//! Client of an app that runs in the test's own thread, without a socket.

use std::collections::BTreeMap;
use std::error::Error;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::cookie::Cookie;
use actix_web::cookie::time::SignedDuration;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{COOKIE, SET_COOKIE};
use actix_web::test::TestRequest;

use crate::response::TestResponse;

/// Browser of an app in this thread. It keeps cookies and follows no redirects.
///
/// ```
/// use actix_web::{App, test::init_service, web};
/// use mengpaneel_tests::InProcessClient;
///
/// # actix_web::rt::System::new().block_on(async {
/// let app = init_service(App::new().route("/", web::get().to(|| async { "home" }))).await;
/// let mut client = InProcessClient::default();
/// let request = client.get("/").to_request();
/// let response = client.send(&app, request).await;
/// # let _ = response;
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct InProcessClient {
    cookies: BTreeMap<String, String>,
}

impl InProcessClient {
    /// Starts the request of a click on a link.
    #[must_use]
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(TestRequest::get(), path, "navigate")
    }

    /// Starts the request of a form that navigates.
    #[must_use]
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(TestRequest::post(), path, "navigate")
    }

    /// Starts the request of a script in a page.
    #[must_use]
    pub fn fetch(&self, path: &str) -> TestRequest {
        self.request(TestRequest::get(), path, "cors")
    }

    fn request(&self, request: TestRequest, path: &str, mode: &str) -> TestRequest {
        let request = request
            .uri(path)
            .insert_header(("host", "blog.example"))
            .insert_header(("accept", "text/html,*/*;q=0.8"))
            .insert_header(("sec-fetch-mode", mode));
        // `TestRequest::cookie` would encode the values a second time.
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if cookies.is_empty() {
            request
        } else {
            request.insert_header((COOKIE, cookies.join("; ")))
        }
    }

    /// Sends a request to the app, and stores the cookies of its response.
    ///
    /// # Panics
    /// If the app or the body of its response fails.
    pub async fn send<S, R, B>(&mut self, app: &S, request: R) -> TestResponse
    where
        S: Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
        B: MessageBody,
    {
        let response = app
            .call(request)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        self.read_response(response).await
    }

    /// Reads a response, and stores its cookies.
    ///
    /// # Panics
    /// If the body of the response fails.
    pub async fn read_response<B: MessageBody>(
        &mut self,
        response: ServiceResponse<B>,
    ) -> TestResponse {
        for line in response.headers().get_all(SET_COOKIE) {
            let cookie = line
                .to_str()
                .ok()
                .and_then(|line| Cookie::parse(line.to_owned()).ok());
            let Some(cookie) = cookie else { continue };
            let is_removed = cookie.max_age().is_some_and(SignedDuration::is_zero);
            self.cookies.remove(cookie.name());
            if !is_removed {
                self.cookies
                    .insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        let (status, headers) = (response.status().as_u16(), headers.collect());
        let body = to_bytes(response.into_body())
            .await
            .unwrap_or_else(|error| {
                let error: Box<dyn Error> = error.into();
                panic!("{error}")
            });
        TestResponse {
            status,
            headers,
            body: text(&body),
        }
    }
}
