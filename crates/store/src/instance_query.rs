//! Searches for instances by page number, for callers that count pages instead of following them.

use transom_model::id::{InstanceId, ProjectId};
use transom_model::instance::{Instance, InstanceStatus};

use crate::database::{Bind, Sql, sql};
use crate::instance::{SELECT, read};
use crate::{Page, Result, Store};

/// A search for instances of a project. An instance must match every condition that is set.
#[derive(Clone, Debug, Default)]
pub struct InstanceQuery {
    /// Matches the listed ids. An empty list matches no instance.
    pub ids: Option<Vec<InstanceId>>,
    /// Matches the listed states. An empty list matches no instance.
    pub statuses: Option<Vec<InstanceStatus>>,
    /// Matches the display name.
    pub name: Option<NameMatch>,
}

/// A condition on a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// The name equals this text.
    Is(String),
    /// The name contains this text. The case of ASCII letters is ignored.
    Holds(String),
}

/// The result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundInstances {
    /// The number of matches on all pages.
    pub total: u64,
    /// The matches on the requested page.
    pub instances: Vec<Instance>,
}

/// The maximum length of a name in characters. A longer text matches no name. The databases' limits
/// for patterns are far higher.
const MAX_NAME: usize = 128;

impl Store {
    /// Finds the matching instances of a project, ordered by id: at most `limit` of them (and at
    /// most [`Page::MAX`]), starting at `offset`. An instance that is added or removed between two
    /// pages shifts the instances after it.
    pub async fn find_instances(
        &self,
        project: ProjectId,
        query: &InstanceQuery,
        offset: u64,
        limit: u32,
    ) -> Result<FoundInstances> {
        if query.fits_none() {
            return Ok(FoundInstances::default());
        }
        let count = query.narrow(sql("SELECT COUNT(*) FROM instances"), project);
        let total = match self.all(count).await?.pop() {
            Some(mut row) => row.count()?,
            None => 0,
        };
        if offset >= total {
            return Ok(FoundInstances { total, instances: Vec::new() });
        }
        let page = query
            .narrow(sql(SELECT), project)
            .push_value(" ORDER BY id LIMIT ", limit.min(Page::MAX))
            .push_value(" OFFSET ", offset);
        let rows = self.all(page).await?;
        let instances = rows.into_iter().map(|mut row| read(&mut row)).collect::<Result<_>>()?;
        Ok(FoundInstances { total, instances })
    }
}

impl InstanceQuery {
    fn fits_none(&self) -> bool {
        self.ids.as_ref().is_some_and(Vec::is_empty)
            || self.statuses.as_ref().is_some_and(Vec::is_empty)
            || self.name.as_ref().is_some_and(|name| name.text().chars().count() > MAX_NAME)
    }

    fn narrow(&self, select: Sql, project: ProjectId) -> Sql {
        let mut select = select.push_value(" WHERE project_id = ", project);
        if let Some(ids) = &self.ids {
            select = one_of(select, " AND id IN (", ids.iter());
        }
        if let Some(statuses) = &self.statuses {
            select = one_of(select, " AND status IN (", statuses.iter().copied());
        }
        match &self.name {
            None => select,
            Some(NameMatch::Is(name)) => select.push_value(" AND name = ", name.as_str()),
            Some(NameMatch::Holds(text)) => {
                select.push_value(" AND LOWER(name) LIKE LOWER(", pattern(text)).push(") ESCAPE '!'")
            }
        }
    }
}

impl NameMatch {
    fn text(&self) -> &str {
        match self {
            Self::Is(text) | Self::Holds(text) => text,
        }
    }
}

pub(crate) fn one_of(mut select: Sql, opening: &'static str, values: impl Iterator<Item = impl Bind>) -> Sql {
    let separators = std::iter::once(opening).chain(std::iter::repeat(", "));
    for (separator, value) in separators.zip(values) {
        select = select.push_value(separator, value);
    }
    select.push(")")
}

/// A LIKE pattern that matches the text anywhere, with LIKE's special characters escaped.
pub(crate) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern + "%"
}
