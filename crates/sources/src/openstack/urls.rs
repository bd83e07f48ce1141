//! The URLs of the existing cloud.

use url::Url;

/// Returns the URL of Keystone's version 3. The configured URL may or may not name the version.
pub(super) fn v3(url: &Url) -> Url {
    let named = url.path().trim_end_matches('/').ends_with("/v3");
    if named { url.clone() } else { below(url, &["v3"]) }
}

/// Returns a URL with more segments at the end of its path.
pub(super) fn below(url: &Url, more: &[&str]) -> Url {
    let mut url = url.clone();
    // Only a URL that cannot have a path refuses this, and an `http` URL can.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(more);
    }
    url
}
