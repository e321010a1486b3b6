//! The validators of a vendor's last report, as a column of `vendor_evidence`.
//!
//! The column has four lines: the revision of the history that they belong to, their scope, `ETag` and `Last-Modified`; an
//! absent one is an empty line. Programs of earlier versions apply reports without changing the column: validators of another
//! revision are ignored.

use domain::report_history::ReportHistory;
use domain::validators::Validators;

use crate::history::Unreadable;

/// The column for a history.
pub(crate) fn column(history: &ReportHistory) -> Option<String> {
    let Validators {
        scope,
        etag,
        last_modified,
    } = history.validators.as_ref()?;
    let (etag, last_modified) = (etag.as_deref(), last_modified.as_deref());
    Some(format!(
        "{}\n{scope}\n{}\n{}",
        history.revision,
        etag.unwrap_or_default(),
        last_modified.unwrap_or_default()
    ))
}

/// Parses the column of a history with this revision.
pub(crate) fn parse(column: Option<&str>, revision: u64) -> Result<Option<Validators>, Unreadable> {
    let Some(text) = column else { return Ok(None) };
    let lines: Vec<&str> = text.split('\n').collect();
    let [of, scope, etag, last_modified] = lines[..] else {
        return Err(Unreadable);
    };
    let of: u64 = of.parse().map_err(|_| Unreadable)?;
    let optional = |line: &str| (!line.is_empty()).then(|| line.to_owned());
    Ok((of == revision).then(|| Validators {
        scope: scope.to_owned(),
        etag: optional(etag),
        last_modified: optional(last_modified),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> [Validators; 2] {
        let validators = |etag: Option<&str>, last_modified: Option<&str>| Validators {
            scope: "0f".to_owned(),
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
        };
        let date = "Mon, 23 Nov 2026 12:00:00 GMT";
        [
            validators(Some("\"a b\""), None),
            validators(None, Some(date)),
        ]
    }

    #[test]
    fn column_is_parsed_to_the_same_validators() {
        for validators in examples() {
            let history = ReportHistory {
                revision: 7,
                validators: Some(validators.clone()),
                ..ReportHistory::default()
            };
            let column = column(&history);
            assert_eq!(parse(column.as_deref(), 7).ok(), Some(Some(validators)));
        }
        assert_eq!(column(&ReportHistory::default()), None);
        assert_eq!(parse(None, 7).ok(), Some(None));
    }

    #[test]
    fn validators_of_another_revision_are_ignored() {
        // A program of an earlier version has applied a report, and left the column as it was.
        let column = "7\n0f\n\"1\"\n";
        assert!(parse(Some(column), 7).is_ok_and(|read| read.is_some()));
        assert_eq!(parse(Some(column), 8).ok(), Some(None));
    }

    #[test]
    fn other_texts_are_unreadable() {
        for text in ["", "7", "x\n0f\n\n", "7\n0f\n\"1\"", "7\n0f\n\n\n"] {
            assert!(parse(Some(text), 7).is_err(), "{text:?}");
        }
    }
}
