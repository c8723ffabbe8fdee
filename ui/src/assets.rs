//! Style sheets, scripts and icons, built into the program: our own of `assets` and those of others in `vendor`. Their
//! addresses carry a hash of all, so relative imports between them work and browsers may keep them for ever.

use std::fmt;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, StatusCode};

/// A file of the folder in every form it is sent in.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Serves the folder.
pub(crate) fn router() -> Router {
    Router::new().route("/assets/{hash}/{name}", get(asset))
}

async fn asset(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| hash == HASH && asset.name == name) else {
        return (StatusCode::NOT_FOUND, "there is no such asset\n").into_response();
    };
    let (encoding, content) = if accepts(&headers, "br") {
        (Some("br"), asset.brotli)
    } else if accepts(&headers, "gzip") {
        (Some("gzip"), asset.gzip)
    } else {
        (None, asset.plain)
    };
    let kept = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (VARY, "accept-encoding"),
    ];
    match encoding {
        Some(encoding) => (kept, [(CONTENT_ENCODING, encoding)], content).into_response(),
        None => (kept, content).into_response(),
    }
}

/// Whether the client takes an encoding: named, and not with a weight of zero.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let offers = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
        let weight = weight.trim().trim_start_matches("q=");
        name.trim().eq_ignore_ascii_case(encoding)
            && weight.parse::<f32>().map_or(true, |weight| weight > 0.0)
    })
}

/// A picture of the icon sprite, hidden from assistive technology: the text beside it says the same.
pub(crate) struct Icon(&'static str);

/// The icon of a name.
pub(crate) fn icon(name: &'static str) -> Icon {
    Icon(name)
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r##"<svg class="icon" aria-hidden="true"><use href="{FOLDER}/icons.svg#{}"/></svg>"##,
            self.0
        )
    }
}

impl askama::FastWritable for Icon {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(write!(dest, "{self}")?)
    }
}

// The name is the program's own text.
impl askama::filters::HtmlSafe for Icon {}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn fetch(address: &str, encodings: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        let request = Request::get(address).header(ACCEPT_ENCODING, encodings).body(Body::empty()).unwrap();
        let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn the_smallest_form_that_is_taken_is_sent() {
        let cases = [
            ("", None),
            ("identity", None),
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", Some("gzip")),
            ("GZIP ; q=1", Some("gzip")),
        ];
        for (offered, expected) in cases {
            let (status, headers, body) = fetch(&format!("{FOLDER}/main.css"), offered).await;
            assert_eq!(status, StatusCode::OK);
            let sent = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!(sent, expected, "{offered}");
            assert!(headers[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
            assert_eq!(headers[CONTENT_TYPE], "text/css; charset=utf-8");
            let plain = ASSETS.iter().find(|asset| asset.name == "main.css").unwrap().plain;
            assert_eq!(body.len() < plain.len(), expected.is_some());
        }
    }

    #[test]
    fn vendored_files_are_what_their_table_says() {
        use base64::Engine as _;
        use sha2::Digest as _;

        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor");
        let table = std::fs::read_to_string(folder.join("README.md")).unwrap();
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name == "README.md" {
                continue;
            }
            let digest = sha2::Sha384::digest(std::fs::read(&path).unwrap());
            let integrity = base64::engine::general_purpose::STANDARD.encode(digest);
            let row = table.lines().find(|line| line.starts_with(&format!("| {name} |")));
            assert!(row.is_some_and(|row| row.contains(&format!("`sha384-{integrity}`"))), "{name}: {row:?}");
            files += 1;
        }
        assert!(files > 0);
    }

    #[tokio::test]
    async fn another_hash_or_name_is_not_found() {
        for address in ["/assets/0000000000000000/main.css", &format!("{FOLDER}/none.css")] {
            assert_eq!(fetch(address, "").await.0, StatusCode::NOT_FOUND, "{address}");
        }
    }

    #[test]
    fn icons_named_in_the_source_are_in_the_sprite() {
        let sprite = ASSETS.iter().find(|asset| asset.name == "icons.svg").unwrap().plain;
        let sprite = std::str::from_utf8(sprite).unwrap();
        let mut named = 0;
        for folder in ["templates", "templates/part"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                for rest in text.split("icon(\"").skip(1) {
                    let name = rest.split('"').next().unwrap();
                    assert!(sprite.contains(&format!("id=\"{name}\"")), "{name} in {}", path.display());
                    named += 1;
                }
            }
        }
        assert!(named > 5);
    }
}
