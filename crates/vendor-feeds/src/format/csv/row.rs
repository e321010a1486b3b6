//! One row and its fields.

use std::string::FromUtf8Error;

/// One row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Number of the line on which it begins, from 1.
    pub(super) line: u64,
    text: String,
    /// The end of each field in `text`.
    ends: Vec<usize>,
}

impl Row {
    /// Takes the text of the fields and the end of each; they are then those of an earlier row.
    pub(super) fn take(
        &mut self,
        text: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<(), FromUtf8Error> {
        std::mem::swap(&mut self.ends, ends);
        let free = std::mem::take(&mut self.text).into_bytes();
        self.text = String::from_utf8(std::mem::replace(text, free))?;
        Ok(())
    }

    pub(super) fn width(&self) -> usize {
        self.ends.len()
    }

    /// The field with this index; empty if there is none.
    pub(super) fn field(&self, index: usize) -> &str {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        let range = start.zip(self.ends.get(index).copied());
        range
            .and_then(|(start, end)| self.text.get(start..end))
            .unwrap_or_default()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        (0..self.width()).map(|index| self.field(index))
    }
}
