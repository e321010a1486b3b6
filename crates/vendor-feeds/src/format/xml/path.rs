//! Paths to elements and attributes.

use std::fmt;

use quick_xml::name::{Namespace, ResolveResult};

/// The name of an element or an attribute, as the settings state it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// `None` matches every namespace, and none. Empty: no namespace.
    namespace: Option<String>,
    local: String,
}

impl Name {
    /// Whether a name of the document is this one. `namespace` is called only if the local names are equal.
    pub(super) fn matches<'n>(
        &self,
        local: &str,
        namespace: impl FnOnce() -> ResolveResult<'n>,
    ) -> bool {
        if self.local != local {
            return false;
        }
        let Some(expected) = self.namespace.as_deref() else {
            return true;
        };
        match namespace() {
            ResolveResult::Bound(Namespace(found)) => found == expected,
            ResolveResult::Unbound => expected.is_empty(),
            ResolveResult::Unknown(_) => false,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{{{namespace}}}{}", self.local),
            None => f.write_str(&self.local),
        }
    }
}

/// Path to the text of an element, or to an attribute of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) names: Vec<Name>,
    pub(super) attribute: Option<Name>,
}

impl Path {
    /// An absolute path to elements: `/stock/item`.
    pub(super) fn of_items(text: &str) -> Result<Vec<Name>, String> {
        let invalid = || {
            format!(
                "format.items is {text:?}, expected an absolute path of element names such as /stock/item"
            )
        };
        let path = parse(text.strip_prefix('/').ok_or_else(invalid)?)
            .map_err(|problem| format!("format.items is {text:?}: {problem}"))?;
        if path.names.is_empty() || path.attribute.is_some() {
            return Err(invalid());
        }
        Ok(path.names)
    }

    /// An absolute path to the text of an element or to an attribute: `/stock/@date`.
    pub(super) fn of_document(setting: &str, text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or_else(|| {
            format!("{setting} is {text:?}, expected an absolute path such as /stock/@date")
        })?;
        Self::checked(setting, text, path)
    }

    /// A path from an item: `qty`, `stock/qty`, `@sku`, `stock/@qty`; `.` for the text of the item.
    pub(super) fn of_item(setting: &str, text: &str) -> Result<Self, String> {
        if text == "." {
            return Ok(Self {
                names: Vec::new(),
                attribute: None,
            });
        }
        if text.starts_with('/') {
            return Err(format!(
                "{setting} is {text:?}, expected a path from the item, without / at its beginning"
            ));
        }
        Self::checked(setting, text, text)
    }

    fn checked(setting: &str, text: &str, path: &str) -> Result<Self, String> {
        parse(path).map_err(|problem| format!("{setting} is {text:?}: {problem}"))
    }
}

/// Parses names separated by `/`. A namespace may contain `/`.
fn parse(text: &str) -> Result<Path, String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let (is_attribute, name) = match rest.strip_prefix('@') {
            Some(name) => (true, name),
            None => (false, rest),
        };
        let (namespace, name) = match name.strip_prefix('{') {
            Some(name) => {
                let (namespace, name) = name.split_once('}').ok_or("{ without }")?;
                (Some(namespace.to_owned()), name)
            }
            None => (None, name),
        };
        let (local, next) = match name.split_once('/') {
            Some((local, next)) => (local, Some(next)),
            None => (name, None),
        };
        check_local(local)?;
        let name = Name {
            namespace,
            local: local.to_owned(),
        };
        match (is_attribute, next) {
            (true, None) => {
                return Ok(Path {
                    names,
                    attribute: Some(name),
                });
            }
            (true, Some(_)) => return Err("an attribute must be the last name".to_owned()),
            (false, _) => names.push(name),
        }
        match next {
            Some(next) => rest = next,
            None => {
                return Ok(Path {
                    names,
                    attribute: None,
                });
            }
        }
    }
}

fn check_local(local: &str) -> Result<(), String> {
    if let Some((_, local)) = local.split_once(':') {
        return Err(format!(
            "a name has no prefix: {local} matches every namespace, {{uri}}{local} one of them"
        ));
    }
    let is_invalid = |char: char| char.is_whitespace() || "[]()*@{}<>\"'".contains(char);
    if local.is_empty() || local.contains(is_invalid) {
        return Err(format!("{local:?} is not a name"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &Path) -> String {
        let mut names: Vec<String> = path.names.iter().map(Name::to_string).collect();
        names.extend(path.attribute.iter().map(|name| format!("@{name}")));
        names.join(" > ")
    }

    #[test]
    fn paths_are_parsed() {
        for (text, expected) in [
            ("qty", "qty"),
            ("stock/qty", "stock > qty"),
            ("@sku", "@sku"),
            ("a/b/@c", "a > b > @c"),
            (
                "{http://base.google.com/ns/1.0}id",
                "{http://base.google.com/ns/1.0}id",
            ),
            ("a/{urn:x}b/@{urn:y}c", "a > {urn:x}b > @{urn:y}c"),
            ("{}qty", "{}qty"),
            (".", ""),
        ] {
            let path = Path::of_item("fields.quantity", text).unwrap();
            assert_eq!(shown(&path), expected, "{text}");
        }
        assert_eq!(
            shown(&Path::of_document("format.as_of", "/stock/@date").unwrap()),
            "stock > @date"
        );
    }

    #[test]
    fn invalid_path_is_named_with_its_setting() {
        for (text, problem) in [
            ("", "fields.quantity is \"\": \"\" is not a name"),
            (
                "/a",
                "fields.quantity is \"/a\", expected a path from the item, without / at its beginning",
            ),
            ("a//b", "fields.quantity is \"a//b\": \"\" is not a name"),
            (
                "@a/b",
                "fields.quantity is \"@a/b\": an attribute must be the last name",
            ),
            (
                "g:id",
                "fields.quantity is \"g:id\": a name has no prefix: id matches every namespace, {uri}id one of them",
            ),
            ("{urn:x", "fields.quantity is \"{urn:x\": { without }"),
            (
                "a[1]",
                "fields.quantity is \"a[1]\": \"a[1]\" is not a name",
            ),
        ] {
            assert_eq!(Path::of_item("fields.quantity", text).unwrap_err(), problem);
        }
        for text in ["stock/item", "/", "/stock/@item", "//item"] {
            assert!(Path::of_items(text).is_err(), "{text}");
        }
    }
}
