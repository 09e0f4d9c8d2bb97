//! The style sheet and the script, under names that change with what is in them.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Path;
use sha2::{Digest as _, Sha256};

use super::problem::NoPage;

pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: String,
    content_type: &'static str,
    text: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of("css", "text/css; charset=utf-8", include_str!("../../assets/afterrun.css"))
});

pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of("js", "text/javascript; charset=utf-8", include_str!("../../assets/afterrun.js"))
});

impl Asset {
    fn of(kind: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(Sha256::digest(text));
        Self { path: format!("/assets/afterrun-{}.{kind}", &hash[..16]), content_type, text }
    }
}

pub(super) async fn show(name: Path<String>) -> Result<HttpResponse, NoPage> {
    let path = format!("/assets/{name}");
    let known = [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.path == path);
    let Some(asset) = known else {
        return Err(NoPage::missing("This version has no such file; load the page again."));
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.text))
}
