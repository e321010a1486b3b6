//! One segment: its name, elements and components.

use std::string::FromUtf8Error;

/// A segment. Elements count from 1, as in the guides; components of an element from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The number of the segment in its interchange, from 1.
    pub(crate) number: u64,
    /// The components with a separator between each two, without release characters.
    text: String,
    /// Ends of the components in `text`.
    ends: Vec<usize>,
    /// For each element, the index of its first component.
    elements: Vec<usize>,
}

impl Segment {
    pub(super) fn begin(&mut self, number: u64) {
        self.number = number;
        self.ends.clear();
        self.elements.clear();
        self.elements.push(0);
    }

    /// A component ends before this position in the text.
    pub(super) fn end_component(&mut self, position: usize) {
        self.ends.push(position);
    }

    /// An element ends before this position in the text.
    pub(super) fn end_element(&mut self, position: usize) {
        self.end_component(position);
        self.elements.push(self.ends.len());
    }

    /// Ends the last component, and takes the text; `text` is then the bytes of an earlier one. The error is that it is not UTF-8.
    pub(super) fn finish(&mut self, text: &mut Vec<u8>) -> Result<(), FromUtf8Error> {
        self.end_component(text.len());
        let free = std::mem::take(&mut self.text).into_bytes();
        self.text = String::from_utf8(std::mem::replace(text, free))?;
        Ok(())
    }

    /// The segment as it is written, without release characters.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The name of the segment.
    pub(crate) fn name(&self) -> &str {
        self.component(0, 0)
    }

    /// Number of elements behind the name.
    pub(crate) fn elements(&self) -> usize {
        self.elements.len().saturating_sub(1)
    }

    /// Number of components of an element; 0 if it is not there.
    pub(crate) fn components(&self, element: usize) -> usize {
        let Some(&first) = self.elements.get(element) else {
            return 0;
        };
        let next = self.elements.get(element + 1).copied();
        next.unwrap_or(self.ends.len()) - first
    }

    /// A component; empty if it is not there.
    pub(crate) fn component(&self, element: usize, component: usize) -> &str {
        if component >= self.components(element) {
            return "";
        }
        let index = self.elements[element] + component;
        // A separator is one byte.
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] + 1);
        &self.text[start..self.ends[index]]
    }

    /// The first component of an element; empty if it is not there.
    pub(crate) fn element(&self, element: usize) -> &str {
        self.component(element, 0)
    }

    /// An element with all its components and the separators between them; empty if it is not there.
    pub(crate) fn whole(&self, element: usize) -> &str {
        let Some(last) = self.components(element).checked_sub(1) else {
            return "";
        };
        let first = self.elements[element];
        let start = first
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] + 1);
        &self.text[start..self.ends[first + last]]
    }
}
