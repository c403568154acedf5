//! Posts: creation and display, as HTML, JSON and CSV.

use std::convert::Infallible;

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{Either, HttpResponse, post, route, web};
use askama::Template;
use futures_util::stream;

use crate::db::{Db, NewPost, Post};
use crate::error::BlogError;
use crate::pages::{self, IsPageView, Layout, ResponseFormat};
use crate::sessions::CurrentUser;

/// Number of posts in the feed.
const FEED_POSTS: usize = 100;

#[mengpaneel::track("Create Blog Post", "Title" = post.title)]
#[post("/posts")]
pub(crate) async fn create_post(
    author: CurrentUser,
    new: Either<web::Form<NewPost>, web::Json<NewPost>>,
    format: ResponseFormat,
    db: web::Data<Db>,
) -> Result<HttpResponse, BlogError> {
    let new = match new {
        Either::Left(form) => form.into_inner(),
        Either::Right(json) => json.into_inner(),
    };
    let post = db.insert_post(&author, new)?;
    Ok(match format {
        ResponseFormat::Json => HttpResponse::Created().json(post),
        ResponseFormat::Html => pages::see_other(&format!("/posts/{}", post.id)),
    })
}

#[derive(Template)]
#[template(path = "post.html")]
struct PostPage {
    layout: Layout,
    post: Post,
}

#[mengpaneel::track("View Post", when(page_view.0), "ID" = post.id, "Title" = post.title)]
#[route("/posts/{id}", method = "GET", method = "HEAD")]
pub(crate) async fn show_post(
    page_view: IsPageView,
    id: web::Path<u64>,
    format: ResponseFormat,
    layout: Layout,
    db: web::Data<Db>,
) -> Result<HttpResponse, BlogError> {
    let post = db.post(*id)?;
    match format {
        ResponseFormat::Json => Ok(HttpResponse::Ok().json(post)),
        ResponseFormat::Html => pages::render(&PostPage { layout, post }),
    }
}

#[mengpaneel::track("Export Posts", when(page_view.0), "Count" = posts.len())]
#[route("/posts.csv", method = "GET", method = "HEAD")]
pub(crate) async fn export_posts(page_view: IsPageView, db: web::Data<Db>) -> HttpResponse {
    let posts = db.posts();
    let attachment = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename("posts.csv".to_owned())],
    };
    let lines = posts.iter().map(|post| {
        let id = post.id.to_string();
        let created_at = post.created_at.to_string();
        csv_line(&[&id, &post.title, &post.author, &created_at, &post.body])
    });
    let file: String = [csv_line(&["ID", "Title", "Author", "Created", "Body"])]
        .into_iter()
        .chain(lines)
        .collect();
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, attachment))
        .body(file)
}

fn csv_line(fields: &[&str]) -> String {
    let quoted: Vec<_> = fields
        .iter()
        .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
        .collect();
    quoted.join(",") + "\r\n"
}

#[derive(Template)]
#[template(path = "feed_start.html")]
struct FeedStart {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "feed_post.html")]
struct FeedPost<'a> {
    post: &'a Post,
}

const FEED_END: &str = "</main>\n</body>\n</html>\n";

/// Streams a page.
#[mengpaneel::track("View Feed", when(page_view.0))]
#[route("/feed", method = "GET", method = "HEAD")]
pub(crate) async fn feed(
    page_view: IsPageView,
    layout: Layout,
    db: web::Data<Db>,
) -> Result<HttpResponse, BlogError> {
    let start = FeedStart { layout }
        .render()
        .map_err(|_| BlogError::Internal)?;
    let posts = db.latest_posts(FEED_POSTS);
    let middle = posts
        .into_iter()
        .map(|post| FeedPost { post: &post }.render().unwrap_or_default());
    let parts = [start]
        .into_iter()
        .chain(middle)
        .chain([FEED_END.to_owned()]);
    let parts = parts.map(|part| Ok::<_, Infallible>(web::Bytes::from(part)));
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .streaming(stream::iter(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_quoted_and_escaped() {
        assert_eq!(
            csv_line(&["a,b", "say \"hi\"\n"]),
            "\"a,b\",\"say \"\"hi\"\"\n\"\r\n"
        );
    }
}
