//! Pages of lists: a request has `limit` and `after`, and the answer's `next` is the next `after`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use transom_model::api::List;
use utoipa::IntoParams;

use super::input::Number;
use transom_app::Page;

const DEFAULT: u32 = 100;
/// The maximum length of a cursor. Sort keys are shorter: a cloud address has 99 characters, a
/// project's name 64.
const CURSOR: usize = 256;

/// A number of rows.
pub(super) type Limit = Number<1, { Page::MAX as i64 }>;

/// A query of a page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// The maximum number of rows; 100 when absent.
    #[param(required = false, value_type = u32, minimum = 1, maximum = 1000)]
    limit: Option<Limit>,
    /// The `next` of the previous page.
    #[param(required = false, value_type = String, min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f]*$")]
    after: Option<Cursor>,
}

/// The sort key of a row.
#[derive(Debug)]
struct Cursor(String);

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let fits =
            (1..=CURSOR).contains(&text.chars().count()) && !text.chars().any(|c| c.is_ascii_control());
        let wrong = || serde::de::Error::custom("must be the value of next on the previous page");
        fits.then(|| Self(text.into_owned())).ok_or_else(wrong)
    }
}

/// Returns the requested number of rows, or the default.
pub(super) fn rows(limit: Option<Limit>) -> u32 {
    limit.and_then(|Number(limit)| u32::try_from(limit).ok()).unwrap_or(DEFAULT)
}

impl Paging {
    fn limit(&self) -> u32 {
        rows(self.limit)
    }

    pub(super) fn page(&self) -> Page {
        match &self.after {
            Some(Cursor(after)) => Page::after(after, self.limit()),
            None => Page::first(self.limit()),
        }
    }

    /// Builds the answer with its `next`. `key` returns the key that orders the list.
    pub(super) fn list<T, B: From<T>>(&self, rows: Vec<T>, key: impl Fn(&T) -> String) -> List<B> {
        let full = usize::try_from(self.limit()).is_ok_and(|limit| rows.len() == limit);
        let next = rows.last().filter(|_| full).map(key);
        List { items: rows.into_iter().map(B::from).collect(), next }
    }
}
