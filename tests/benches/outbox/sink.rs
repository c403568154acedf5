//! A server that accepts every request and reads no body.

use std::net::TcpListener;

use actix_web::{App, HttpResponse, HttpServer, rt::System, web};
use serde_json::json;

use crate::Result;

/// Starts the server on a free port, on a thread that ends with the process. Returns its URL.
pub(crate) fn start() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let accept = |body: web::Bytes| async move {
            drop(body);
            HttpResponse::Ok()
                .json(json!({"code": 200, "num_records_imported": 2000, "status": "OK"}))
        };
        let app = move || {
            App::new()
                .app_data(web::PayloadConfig::new(64 << 20))
                .default_service(web::to(accept))
        };
        System::new().block_on(async move {
            HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run()
                .await
        })
    });
    Ok(format!("http://{address}"))
}
