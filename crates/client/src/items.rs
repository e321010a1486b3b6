//! Lists in pages, and item by item over all of them.

use std::vec;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

/// The largest page that there is.
const LARGEST: u32 = 1_000;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; none if this is the last.
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
        let url = self.exchange.url_with(path, &query)?;
        let answer = self.exchange.send(self.exchange.get(url)).await?;
        answer.expect(&[200])?.json()
    }
}

/// A list, item by item. The next page is read when the one before was taken.
#[derive(Debug)]
#[must_use]
pub struct Items<T> {
    client: Client,
    path: [&'static str; 3],
    filter: Vec<(&'static str, String)>,
    place: Place,
    page: vec::IntoIter<T>,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Beginning,
    Cursor(String),
    End,
}

impl<T: DeserializeOwned> Items<T> {
    pub(crate) fn new(
        client: Client,
        path: [&'static str; 3],
        filter: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            client,
            path,
            filter,
            place: Place::Beginning,
            page: Vec::new().into_iter(),
        }
    }

    /// The next item; `None` at the end. After a failure the same page is asked for again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(item) = self.page.next() {
                return Ok(Some(item));
            }
            let cursor = match &self.place {
                Place::Beginning => None,
                Place::Cursor(cursor) => Some(cursor.as_str()),
                Place::End => return Ok(None),
            };
            let client = &self.client;
            let page = client.page(&self.path, &self.filter, Some(LARGEST), cursor);
            let Page { items, next_cursor } = page.await?;
            let next = next_cursor.map_or(Place::End, Place::Cursor);
            if next == self.place {
                let reason = "a page names itself as the next one";
                return Err(ClientError::strange(200, reason));
            }
            self.place = next;
            self.page = items.into_iter();
        }
    }

    /// All that is left, in memory.
    ///
    /// # Errors
    /// [`ClientError`]; what was read is lost then.
    pub async fn collect(mut self) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }
}
