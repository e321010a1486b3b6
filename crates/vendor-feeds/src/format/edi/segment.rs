//! One segment: its name, elements and components.

/// A segment. Elements count from 1, as in the guides; components of an element from 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The number of the segment in its interchange, from 1.
    pub(crate) number: u64,
    /// All components, one behind the other, without separators and release characters.
    text: String,
    /// Ends of the components in `text`.
    ends: Vec<usize>,
    /// For each element, the index of its first component.
    elements: Vec<usize>,
}

impl Segment {
    pub(super) fn clear(&mut self, number: u64) {
        self.number = number;
        self.text.clear();
        self.ends.clear();
        self.elements.clear();
        self.elements.push(0);
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn end_component(&mut self) {
        self.ends.push(self.text.len());
    }

    pub(super) fn end_element(&mut self) {
        self.end_component();
        self.elements.push(self.ends.len());
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
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }

    /// The first component of an element; empty if it is not there.
    pub(crate) fn element(&self, element: usize) -> &str {
        self.component(element, 0)
    }
}
