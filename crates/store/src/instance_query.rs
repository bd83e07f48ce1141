//! Instances that fit a description, by page number: for callers that count pages rather than follow them.

use transom_model::id::{InstanceId, ProjectId};
use transom_model::instance::{Instance, InstanceStatus};

use crate::database::{Bind, Sql, sql};
use crate::instance::{SELECT, read};
use crate::{Page, Result, Store};

/// Which of a project's instances are asked for: those that fit everything that is given.
#[derive(Clone, Debug, Default)]
pub struct InstanceQuery {
    /// One of these; an empty list fits none.
    pub ids: Option<Vec<InstanceId>>,
    /// In one of these states; an empty list fits none.
    pub statuses: Option<Vec<InstanceStatus>>,
    /// Its name.
    pub name: Option<NameMatch>,
}

/// What is asked of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// It is this text.
    Is(String),
    /// It holds this text. The case of ASCII letters does not matter.
    Holds(String),
}

/// What fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundInstances {
    /// How many there are in all.
    pub total: u64,
    /// Those of the page that was asked for.
    pub instances: Vec<Instance>,
}

/// No name is longer, in characters; a longer text fits none. The database's own limit for patterns lies far above.
const MAX_NAME: usize = 128;

impl Store {
    /// The instances of a project that fit, by id, from `offset` on and at most `limit` of them (and at most
    /// [`Page::MAX`]). An instance that comes or goes between two pages moves those after it.
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

fn one_of(mut select: Sql, opening: &'static str, values: impl Iterator<Item = impl Bind>) -> Sql {
    let separators = std::iter::once(opening).chain(std::iter::repeat(", "));
    for (separator, value) in separators.zip(values) {
        select = select.push_value(separator, value);
    }
    select.push(")")
}

/// The text anywhere, with nothing in it that LIKE would read as its own.
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
