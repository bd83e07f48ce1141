//! Pages of lists: ask with `limit` and `after`, and go on with the answer's `next`.

use crate::app::Page;
use serde::Deserialize;
use transom_model::api::List;
use utoipa::IntoParams;

const DEFAULT: u32 = 100;

/// Which rows of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// At most this many rows: 100 where it is missing, never more than 1000.
    #[param(required = false)]
    pub(super) limit: Option<u32>,
    /// The `next` of the page before.
    #[param(required = false)]
    pub(super) after: Option<String>,
}

impl Paging {
    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT).clamp(1, Page::MAX)
    }

    pub(super) fn page(&self) -> Page {
        match &self.after {
            Some(after) => Page::after(after, self.limit()),
            None => Page::first(self.limit()),
        }
    }

    /// The answer, with where to go on: `key` is what the list is ordered by.
    pub(super) fn list<T, B: From<T>>(&self, rows: Vec<T>, key: impl Fn(&T) -> String) -> List<B> {
        let full = usize::try_from(self.limit()).is_ok_and(|limit| rows.len() == limit);
        let next = rows.last().filter(|_| full).map(key);
        List { items: rows.into_iter().map(B::from).collect(), next }
    }
}
