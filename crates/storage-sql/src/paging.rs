//! Pages of rows of which some cannot be read.

use domain::identifiers::ProductId;
use domain::ports::StoreError;

use crate::UnreadableRows;

/// Returns the key after which a page of products begins: the last product of the page before, or the empty text, which every
/// product id follows because none is empty.
#[must_use]
pub fn page_start(after: Option<ProductId>) -> String {
    after.map(ProductId::into_string).unwrap_or_default()
}

/// Reads up to `limit` readable values. `load` returns at most the given number of rows after a key, each with its key.
///
/// Unreadable rows are replaced by further ones: a short page would mean the end of the list.
pub async fn readable_page<K: Clone, T, F>(
    unreadable: &UnreadableRows,
    mut after: K,
    limit: u32,
    load: impl Fn(K, u32) -> F,
) -> Result<Vec<T>, StoreError>
where
    F: Future<Output = Result<Vec<(K, Result<T, StoreError>)>, StoreError>>,
{
    let limit = limit as usize;
    let mut page = Vec::new();
    loop {
        let left = limit - page.len();
        let found = load(after.clone(), u32::try_from(left).unwrap_or(u32::MAX)).await?;
        let (seen, last) = (found.len(), found.last().map(|(key, _)| key.clone()));
        let readable = unreadable.leave_out(found.into_iter().map(|(_, value)| value))?;
        let is_whole = readable.len() == seen;
        page.extend(readable);
        match last {
            Some(last) if seen >= left && !is_whole => after = last,
            _ => return Ok(page),
        }
    }
}
