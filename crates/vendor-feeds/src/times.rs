//! The times of a report in pages: each is an upper bound on the time of the counts, so the earliest of all pages is valid for
//! the report.

use domain::evidence::ResponseTimes;
use domain::timestamp::Timestamp;
use sha2::{Digest, Sha256};

/// Collects the times of pages.
#[derive(Debug, Default)]
pub(crate) struct ReportTimes {
    pages: u64,
    merged: ResponseTimes,
    /// The earliest `Date` of the pages without `Last-Modified`, less their freshness lifetimes.
    without_last_modified: Option<Timestamp>,
    /// Whether a page has neither `Last-Modified` nor `Date`.
    has_timeless_page: bool,
    /// The tags of all pages, if each has one.
    tags: Option<Sha256>,
}

impl ReportTimes {
    /// Adds the times of a page.
    pub(crate) fn add(&mut self, page: &ResponseTimes) {
        self.pages += 1;
        let tags = match self.pages {
            1 => Some(Sha256::new()),
            _ => self.tags.take(),
        };
        self.tags = tags.zip(page.etag.as_ref()).map(|(mut tags, tag)| {
            tags.update(tag.len().to_be_bytes());
            tags.update(tag);
            tags
        });
        if page.last_modified.is_none() {
            let fresh = page.freshness.unwrap_or_default();
            let date = page.date.map(|date| date.minus(fresh));
            self.has_timeless_page |= date.is_none();
            self.without_last_modified = earliest(self.without_last_modified, date);
        }
        let merged = &mut self.merged;
        merged.last_modified = earliest(merged.last_modified, page.last_modified);
        merged.is_last_modified_unusable |= page.is_last_modified_unusable;
        merged.is_file_time |= page.is_file_time;
        merged.date = earliest(merged.date, page.date);
        merged.age = merged.age.max(page.age);
        merged.freshness = merged.freshness.max(page.freshness);
        merged.etag.clone_from(&page.etag);
    }

    /// The times of the report.
    pub(crate) fn finish(self) -> ResponseTimes {
        let mut times = self.merged;
        if self.pages > 1 {
            times.etag = self.tags.map(|tags| hex::encode(tags.finalize()));
        }
        if times.last_modified.is_some() {
            times.date = earliest(times.date, self.without_last_modified);
        }
        // Only a document's own as-of proves something then.
        times.is_last_modified_unusable |= self.has_timeless_page;
        times
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    [a, b].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn of(pages: &[ResponseTimes]) -> ResponseTimes {
        let mut times = ReportTimes::default();
        for page in pages {
            times.add(page);
        }
        times.finish()
    }

    fn page(second: i64) -> ResponseTimes {
        ResponseTimes {
            last_modified: Some(at(second)),
            etag: Some(format!("\"{second}\"")),
            date: Some(at(second + 10)),
            ..ResponseTimes::default()
        }
    }

    #[test]
    fn one_page_has_its_own_times() {
        let page = ResponseTimes {
            age: Some(seconds(3)),
            freshness: Some(seconds(4)),
            ..page(100)
        };
        assert_eq!(of(std::slice::from_ref(&page)), page);
    }

    #[test]
    fn earliest_times_and_largest_ages_are_those_of_the_report() {
        let cached = ResponseTimes {
            age: Some(seconds(3)),
            freshness: Some(seconds(60)),
            ..page(100)
        };
        for pages in [
            [cached.clone(), page(300), page(200)],
            [page(300), page(200), cached],
        ] {
            let times = of(&pages);
            assert_eq!(times.last_modified, Some(at(100)));
            assert_eq!(times.date, Some(at(110)));
            assert_eq!(times.age, Some(seconds(3)));
            assert_eq!(times.freshness, Some(seconds(60)));
            assert!(!times.is_last_modified_unusable);
        }
    }

    #[test]
    fn tag_identifies_all_pages_and_exists_only_if_each_has_one() {
        let tag = |pages: &[ResponseTimes]| of(pages).etag;
        let same = [page(1), page(2)];
        assert_eq!(tag(&same), tag(&same));
        assert_ne!(tag(&same), tag(&[page(2), page(1)]));
        assert_ne!(tag(&same), tag(&[page(1), page(3)]));
        assert_eq!(tag(&same).unwrap().len(), 64);
        let untagged = ResponseTimes {
            etag: None,
            ..page(2)
        };
        assert_eq!(tag(&[page(1), untagged.clone()]), None);
        assert_eq!(tag(&[untagged, page(1)]), None);
    }

    #[test]
    fn page_without_last_modified_bounds_the_date_by_its_freshness() {
        let dated = ResponseTimes {
            last_modified: None,
            freshness: Some(seconds(60)),
            ..page(90)
        };
        let mixed = of(&[page(80), dated.clone()]);
        assert_eq!(mixed.last_modified, Some(at(80)));
        assert_eq!(mixed.date, Some(at(40)));
        // Without any Last-Modified, the domain subtracts the freshness lifetime.
        assert_eq!(of(&[dated.clone(), dated]).date, Some(at(100)));
    }

    #[test]
    fn page_without_any_time_leaves_only_the_documents_own_as_of() {
        let timeless = ResponseTimes::default();
        for pages in [[page(1), timeless.clone()], [timeless, page(1)]] {
            assert!(of(&pages).is_last_modified_unusable);
        }
    }
}
