//! Budgets: how often a source, a link or a caller may fail, guess, or write.

pub(crate) mod bucket;
pub(crate) mod failure_budget;
pub(crate) mod guess_budget;
pub(crate) mod log_budget;
pub(crate) mod turns;
