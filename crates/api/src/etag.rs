//! Entity tags of orders and conditional requests (RFC 9110, sections 8.8.3 and 13.1).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use domain::order::{Order, OrderState};

/// The strong entity tag of an order's current version. An order enters a status at most once, and within `CONFIRMED` each
/// shipment of a part raises the number of shipped parts, so every version has a different tag. The tag includes the time of
/// the change, so that it differs even after the store was restored from a backup.
pub(crate) fn of(order: &Order) -> String {
    let parts = match &order.state {
        OrderState::Confirmed(parts) => parts.iter().filter(|part| part.shipped).count(),
        _ => 0,
    };
    let shipped = if parts > 0 {
        format!("+{parts}")
    } else {
        String::new()
    };
    format!(
        "\"{}-{}{shipped}-{:x}\"",
        order.id,
        order.state.status(),
        order.updated_at.as_micros()
    )
}

/// A condition on the version of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// No condition.
    None,
    /// `*`: any existing version.
    Any,
    /// One of these versions. A malformed list is empty and matches nothing.
    OneOf(Vec<Tag>),
}

/// An entity tag, with its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    weak: bool,
    quoted: String,
}

impl Condition {
    /// The `If-Match` of a request.
    pub(crate) fn if_match(request: &HttpRequest) -> Self {
        Self::read(request, &IF_MATCH)
    }

    /// The `If-None-Match` of a request.
    pub(crate) fn if_none_match(request: &HttpRequest) -> Self {
        Self::read(request, &IF_NONE_MATCH)
    }

    fn read(request: &HttpRequest, name: &HeaderName) -> Self {
        let lines: Vec<String> = request
            .headers()
            .get_all(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        if lines.is_empty() {
            return Self::None;
        }
        Self::parse(&lines.join(","))
    }

    fn parse(list: &str) -> Self {
        if list.trim() == "*" {
            return Self::Any;
        }
        // A partially parsed condition must not allow a change that the complete one might prevent.
        Self::OneOf(parse_tags(list).unwrap_or_default())
    }

    /// Whether this version may be changed, by strong comparison: a weak tag matches nothing.
    pub(crate) fn allows_change_of(&self, current: &str) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| !tag.weak && tag.quoted == current),
        }
    }

    /// Whether the condition lists this version, by weak comparison.
    pub(crate) fn matches(&self, current: &str) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag.quoted == current),
        }
    }
}

/// Parses a list of entity tags; `None` if any element is malformed.
fn parse_tags(list: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let (weak, opaque) = match rest.strip_prefix("W/") {
            Some(opaque) => (true, opaque),
            None => (false, rest),
        };
        // The quoted text may contain commas.
        let end = opaque.strip_prefix('"')?.find('"')? + 2;
        tags.push(Tag {
            weak,
            quoted: opaque[..end].to_owned(),
        });
        rest = opaque[end..].trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_list_matches_nothing() {
        for list in [
            "\"a\"x",
            "\"a\" \"b\"",
            "\"a\"\"b\"",
            "zz, \"a\"",
            "\"a\", *",
            "*, \"a\"",
            "\"a",
        ] {
            assert!(!Condition::parse(list).allows_change_of("\"a\""), "{list}");
        }
        assert!(Condition::parse(" \"b,c\" ,, \"a\"").allows_change_of("\"a\""));
    }

    #[test]
    fn tags_are_compared_strongly_for_changes_and_weakly_for_reads() {
        let current = "\"42-PENDING-0\"";
        for (list, strong, weak) in [
            ("*", true, true),
            ("\"42-PENDING-0\"", true, true),
            ("\"a,b\" ,, \"42-PENDING-0\"", true, true),
            ("W/\"42-PENDING-0\"", false, true),
            ("42-PENDING-0", false, false),
            ("\"42-PENDING-0", false, false),
            ("junk, \"42-PENDING-0\"", false, false),
            ("\"other\"", false, false),
            ("w/\"42-PENDING-0\"", false, false),
            ("", false, false),
        ] {
            let condition = Condition::parse(list);
            assert_eq!(condition.allows_change_of(current), strong, "{list}");
            assert_eq!(condition.matches(current), weak, "{list}");
        }
    }

    #[test]
    fn absent_condition_allows_every_change_and_matches_nothing() {
        assert!(Condition::None.allows_change_of("\"a\""));
        assert!(!Condition::None.matches("\"a\""));
    }
}
