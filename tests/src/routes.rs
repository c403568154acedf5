//! Routes for tests whose subject is not the application.

use actix_web::{HttpResponse, web};

/// Adds the route `/event/{name}`, which tracks an event of this name without properties.
pub fn event_route(config: &mut web::ServiceConfig) {
    config.route("/event/{name}", web::get().to(track));
}

async fn track(name: web::Path<String>) -> HttpResponse {
    mengpaneel::track(name.as_str(), ());
    HttpResponse::Ok().finish()
}
