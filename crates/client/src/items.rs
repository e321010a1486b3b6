//! Lists, page by page or item by item over all pages.

use std::vec;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

/// Maximum number of items on a page.
const MAX_PAGE_SIZE: u32 = 1_000;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// Items of this page.
    pub items: Vec<T>,
    /// Cursor of the next page; `None` on the last page.
    pub next_cursor: Option<String>,
}

impl Client {
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        filter: &[(&'static str, String)],
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<T>, ClientError> {
        let mut query = filter.to_vec();
        query.extend(limit.map(|limit| ("limit", limit.to_string())));
        query.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let url = self.transport.url_with(path, &query)?;
        self.transport.fetch(self.transport.get(url)).await
    }
}

/// A list, item by item. The next page is requested when all items of the current page have been returned.
#[derive(Debug)]
#[must_use]
pub struct Items<T> {
    client: Client,
    path: Vec<String>,
    filter: Vec<(&'static str, String)>,
    next_page: NextPage,
    page: vec::IntoIter<T>,
}

/// The next page to request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NextPage {
    First,
    Cursor(String),
    End,
}

impl<T: DeserializeOwned> Items<T> {
    pub(crate) fn new(client: Client, path: &[&str], filter: Vec<(&'static str, String)>) -> Self {
        Self {
            client,
            path: path.iter().map(|&part| part.to_owned()).collect(),
            filter,
            next_page: NextPage::First,
            page: Vec::new().into_iter(),
        }
    }

    /// Returns the next item; `None` at the end. After an error, the next call requests the same page again.
    ///
    /// # Errors
    /// [`ClientError`] if a page cannot be read.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(item) = self.page.next() {
                return Ok(Some(item));
            }
            let cursor = match &self.next_page {
                NextPage::First => None,
                NextPage::Cursor(cursor) => Some(cursor.as_str()),
                NextPage::End => return Ok(None),
            };
            let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
            let client = &self.client;
            let page = client.page(&path, &self.filter, Some(MAX_PAGE_SIZE), cursor);
            let Page { items, next_cursor } = page.await?;
            let next = next_cursor.map_or(NextPage::End, NextPage::Cursor);
            if next == self.next_page {
                let reason = "the next cursor of a page is its own cursor";
                return Err(ClientError::unexpected(200, reason));
            }
            self.next_page = next;
            self.page = items.into_iter();
        }
    }

    /// Returns the remaining items.
    ///
    /// # Errors
    /// [`ClientError`]; the items read before the error are discarded.
    pub async fn collect(mut self) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }
}
