//! The body of a transaction.

use futures_util::future::BoxFuture;

use super::Connection;
use crate::Result;

/// The body of a transaction. The database clones it because it may have to run again.
pub(crate) trait Operation<T>:
    for<'a> FnOnce(&'a mut Connection<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static
{
}

impl<T, F> Operation<T> for F where
    F: for<'a> FnOnce(&'a mut Connection<'_>) -> BoxFuture<'a, Result<T>> + Clone + Send + 'static
{
}
