//! Versions of an order: entity tags and the conditions on them (RFC 9110, sections 8.8.3 and 13.1).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use domain::order::{Order, OrderState};

/// The strong tag of an order as it is. A status is entered at most once, and within `CONFIRMED` each shipment of a part
/// raises the number of shipped parts, so each version has a tag of its own; the time is in it so that not even a store
/// that was put back can give two versions the same.
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

/// What a request says about the version that it expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    None,
    /// `*`: any version, as long as there is one.
    Any,
    /// One of these. A list of which any part is no tag holds none, and so matches nothing.
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
        // Half a condition must not let a change through that the whole one might have stopped.
        Self::OneOf(tags(list).unwrap_or_default())
    }

    /// Whether a change of this version may go ahead, by the strong comparison: a weak tag matches nothing.
    pub(crate) fn allows_change_of(&self, current: &str) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| !tag.weak && tag.quoted == current),
        }
    }

    /// Whether the client has this version already, by the weak comparison.
    pub(crate) fn names(&self, current: &str) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag.quoted == current),
        }
    }
}

/// The tags of a list, if each part of it is one.
fn tags(list: &str) -> Option<Vec<Tag>> {
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
        // A comma may stand inside the quotes.
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
    fn a_list_with_anything_else_in_it_matches_nothing() {
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
    fn strong_and_weak_comparison() {
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
            assert_eq!(condition.names(current), weak, "{list}");
        }
    }

    #[test]
    fn no_condition_allows_everything_and_names_nothing() {
        assert!(Condition::None.allows_change_of("\"a\""));
        assert!(!Condition::None.names("\"a\""));
    }
}
