//! What a browser, a proxy and a mistyped path get. Whether the dashboard is built on this machine is left open.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use tower::ServiceExt;

use super::*;

async fn ask(path: &str, if_none_match: Option<&str>) -> Response<Body> {
    let app: Router = router().fallback(|| async { (StatusCode::NOT_FOUND, "the API's own 404") });
    let mut request = Request::get(path);
    if let Some(tag) = if_none_match {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 24).await.unwrap().to_vec()).unwrap()
}

fn header_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_page_of_the_dashboard_answers_with_a_page_that_nobody_may_frame() {
    for page in ["/", "/jobs", "/jobs/new", "/jobs/job_1", "/compare", "/datasets", "/datasets/ds_1"] {
        let response = ask(page, None).await;
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        assert_eq!(header_of(&response, "content-type"), "text/html; charset=utf-8");
        assert!(header_of(&response, "content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(header_of(&response, "x-content-type-options"), "nosniff");
        assert!(text(response).await.contains("Trainyard"));
    }
}

#[tokio::test]
async fn a_mistyped_path_of_the_api_is_not_swallowed() {
    for path in ["/v1/jbos", "/v1/jobs/job_1/metrcs", "/healtz", "/jobs/job_1/x", "/index.html", "/.gitignore"] {
        let response = ask(path, None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(text(response).await, "the API's own 404");
    }
}

#[tokio::test]
async fn an_asset_is_looked_for_among_the_built_files_alone() {
    for path in
        ["/assets/nothing.js", "/assets/../Cargo.toml", "/assets/..%2f..%2fCargo.toml", "/assets/%2e%2e/.gitignore"]
    {
        let response = ask(path, None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_ne!(header_of(&response, "cache-control"), HASHED);
    }
}

#[tokio::test]
async fn the_built_page_is_revalidated_and_its_assets_are_kept_for_ever() {
    if !built() {
        return; // the hint page is what the other tests saw
    }
    let first = ask("/", None).await;
    let tag = header_of(&first, "etag").to_owned();
    assert_eq!(header_of(&first, "cache-control"), "no-cache");
    assert_eq!(header_of(&first, "content-security-policy"), POLICY);
    let again = ask("/jobs", Some(&format!("\"other\", {tag}"))).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header_of(&again, "etag"), tag);
    assert!(text(again).await.is_empty());

    let page = text(first).await;
    let asset = page.split('"').find(|piece| piece.starts_with("/assets/")).expect("the page loads an asset");
    let asset = ask(asset, None).await;
    assert_eq!(asset.status(), StatusCode::OK);
    assert_eq!(header_of(&asset, "cache-control"), HASHED);
    assert!(header_of(&asset, "content-type").starts_with("text/"));
}

#[test]
fn a_tag_is_compared_weakly_and_in_lists() {
    let with = |value: &str| HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]);
    for hit in ["W/\"a\"", "\"a\"", "\"b\", W/\"a\"", "*"] {
        assert!(matches(&with(hit), "W/\"a\""), "{hit}");
    }
    for miss in ["\"b\"", "a", ""] {
        assert!(!matches(&with(miss), "W/\"a\""), "{miss}");
    }
}
