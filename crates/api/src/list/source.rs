//! The definition of a list, and reading one page of it.

use domain::ports::StoreError;
use serde::Serialize;

use super::next_page::NextPage;
use crate::problem::Problem;

/// A list with its filters.
pub(crate) trait List: 'static {
    /// An item. Items are ordered by key.
    type Item;
    /// The key of an item.
    type Key;
    /// The JSON view of an item.
    type View<'a>: Serialize;

    /// Reads at most `limit` items after the key, or from the beginning of the list.
    async fn read(
        &self,
        after: Option<Self::Key>,
        limit: u32,
    ) -> Result<Vec<Self::Item>, StoreError>;

    /// Parses a cursor of this list.
    fn parse_cursor(&self, cursor: &str) -> Result<Self::Key, Problem>;

    /// The key of an item.
    fn key(item: &Self::Item) -> Self::Key;

    /// Renders an item.
    fn view(item: &Self::Item) -> Self::View<'_>;

    /// The page of at most `limit` items after the key.
    fn page_after(&self, key: &Self::Key, limit: u32) -> NextPage;
}

/// Reads at most `limit` items, and returns the next page if there are more.
pub(super) async fn read_page<L: List>(
    list: &L,
    after: Option<L::Key>,
    limit: u32,
) -> Result<(Vec<L::Item>, Option<NextPage>), Problem> {
    // One additional item shows whether there is a next page.
    let mut items = list.read(after, limit + 1).await?;
    let limit_items = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = items.len() > limit_items;
    items.truncate(limit_items);
    let end = items.last().filter(|_| has_more);
    let next = end.map(|item| list.page_after(&L::key(item), limit));
    Ok((items, next))
}
