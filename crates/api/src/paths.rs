//! Paths of the dialects.

/// Tells whether a path is this root or lies below it. Superfluous slashes in front do not matter.
pub(super) fn is_below(path: &str, root: &str) -> bool {
    let path = path.trim_start_matches('/');
    path.strip_prefix(root.trim_start_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
