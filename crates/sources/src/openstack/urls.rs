//! The URLs of the existing cloud.

use url::Url;

/// Keystone's version 3, however its URL was written.
pub(super) fn v3(url: &Url) -> Url {
    let named = url.path().trim_end_matches('/').ends_with("/v3");
    if named { url.clone() } else { below(url, &["v3"]) }
}

/// A URL with more behind its path.
pub(super) fn below(url: &Url, more: &[&str]) -> Url {
    let mut url = url.clone();
    // Only a URL that cannot have a path refuses this, and `http` is none.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(more);
    }
    url
}
