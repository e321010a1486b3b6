//! The names of the files that a pattern accepts.

use crate::excerpt::excerpt;

/// Ends of names that programs give to files that they have not finished.
const PARTIAL_SUFFIXES: [&str; 4] = [".part", ".tmp", ".filepart", ".crdownload"];

/// A file, or with `*` in its name every file that matches.
#[derive(Debug, Clone)]
pub(crate) struct FilePattern {
    path: String,
    name: String,
}

impl FilePattern {
    /// The file `name`; messages show `path`.
    pub(crate) fn new(path: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            name: name.into(),
        }
    }

    /// The path as messages show it.
    pub(crate) fn shown(&self) -> String {
        excerpt(&self.path)
    }

    /// The name of the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name is a pattern.
    pub(crate) fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }

    /// Whether a file with this name may be read: it is the configured name, or it matches the pattern and is neither hidden
    /// nor unfinished.
    pub(crate) fn accepts(&self, name: &str) -> bool {
        if self.is_pattern() {
            matches_pattern(name, &self.name) && !is_partial(name, &self.name)
        } else {
            name == self.name
        }
    }
}

/// Whether a text matches a pattern in which `*` is any text.
pub(crate) fn matches_pattern(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a name is that of a hidden or an unfinished file.
fn is_partial(name: &str, pattern: &str) -> bool {
    let lower = name.to_lowercase();
    let is_hidden = name.starts_with('.') && !pattern.starts_with('.');
    is_hidden
        || PARTIAL_SUFFIXES
            .iter()
            .any(|suffix| lower.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_is_any_text() {
        for (pattern, names) in [
            (
                "stock_*.csv",
                &["stock_.csv", "stock_2026.csv", "stock_a.csv.csv"][..],
            ),
            ("*", &["a", "stock.csv"]),
            ("a*b*c", &["abc", "aXbYc", "abbc"]),
            ("plain.csv", &["plain.csv"]),
            ("[a]?*", &["[a]?x"]),
        ] {
            for name in names {
                assert!(matches_pattern(name, pattern), "{pattern} {name}");
            }
        }
        for (pattern, names) in [
            (
                "stock_*.csv",
                &["stock.csv", "Stock_1.csv", "stock_1.csv.gz", "xstock_1.csv"][..],
            ),
            ("a*b*c", &["ac", "acb", "ab"]),
            ("ab*ba", &["aba"]),
            ("plain.csv", &["plain.csv2", "plain"]),
        ] {
            for name in names {
                assert!(!matches_pattern(name, pattern), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn hidden_and_unfinished_files_are_recognized() {
        for name in [
            ".stock.csv",
            "stock.csv.part",
            "STOCK.CSV.TMP",
            "a.filepart",
            "a.crdownload",
        ] {
            assert!(is_partial(name, "*"), "{name}");
        }
        for name in ["stock.csv", "part", "a.partial", "tmp.csv"] {
            assert!(!is_partial(name, "*"), "{name}");
        }
        assert!(!is_partial(".stock.csv", ".stock*"));
    }
}
