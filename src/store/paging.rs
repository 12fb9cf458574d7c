//! Reads the pages of a listing one after another.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::Error;
use super::error::Site;

/// The most pages of an object listing that have fewer than `FULL` entries.
pub(super) const OBJECT_PAGES: usize = 10_000;

/// The most pages of a listing of unfinished uploads: at a thousand each, a hundred thousand uploads.
pub(super) const UPLOAD_PAGES: usize = 100;

/// This many pages of `FULL` entries or more count as one: an archive may have a hundred million
/// objects.
const FULL_AS_ONE: usize = 10;

/// The number of entries from which a page counts as full.
const FULL: usize = 500;

/// The most empty pages in a row.
const MOST_EMPTY: u32 = 100;

/// Where a listing continues; `M` is the store's marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next<M> {
    Start,
    After(M),
    End,
}

/// The pages read so far. A faulty store may claim for ever that there are more.
#[derive(Debug)]
pub(super) struct Pages<M> {
    next: Next<M>,
    /// Hashes of the markers and of the first entries so far.
    seen: HashSet<u64>,
    /// Pages read: a full one counts 1, any other [`FULL_AS_ONE`].
    turned: usize,
    empty: u32,
    most: usize,
}

/// What the store said about a page.
#[derive(Debug)]
pub(super) struct Page<M, F> {
    /// Whether there is more.
    pub is_truncated: Option<bool>,
    /// The marker of the next page.
    pub after: Option<M>,
    /// Its first entry.
    pub first: Option<F>,
    /// Its number of entries.
    pub entries: usize,
}

impl<M: Hash + PartialEq> Pages<M> {
    /// No pages yet, and at most this many.
    pub(super) fn at_most(most: usize) -> Self {
        Self { next: Next::Start, seen: HashSet::new(), turned: 0, empty: 0, most }
    }

    /// Where the listing continues.
    pub(super) fn next(&self) -> &Next<M> {
        &self.next
    }

    /// Advances past a page.
    ///
    /// # Errors
    /// When there is more but no marker, or one that came before, or when the page repeats an earlier
    /// one: continuing would request the same pages for ever, and stopping would hide the rest. When
    /// there are too many pages. On an error nothing advances.
    pub(super) fn turn<F: Hash>(&mut self, site: Site, page: Page<M, F>) -> Result<(), Error> {
        self.turn_or_say(page).map_err(|detail| Error::Endless { site, detail })
    }

    fn turn_or_say<F: Hash>(&mut self, page: Page<M, F>) -> Result<(), String> {
        let Page { is_truncated, after, first, entries } = page;
        if is_truncated != Some(true) {
            self.next = Next::End;
            return Ok(());
        }
        let after = after.ok_or("it announces another page without a token")?;
        let marks = [Some(short(&("after", &after))), first.as_ref().map(|f| short(&("first", f)))];
        if marks.iter().flatten().any(|mark| self.seen.contains(mark)) {
            return Err("the same page came again".to_owned());
        }
        let empty = if first.is_none() { self.empty + 1 } else { 0 };
        if empty > MOST_EMPTY {
            return Err(format!("{MOST_EMPTY} pages in a row are empty"));
        }
        if self.turned >= self.most.saturating_mul(FULL_AS_ONE) {
            return Err(format!("it has more than {} pages", self.most));
        }
        self.seen.extend(marks.into_iter().flatten());
        let cost = if entries >= FULL { 1 } else { FULL_AS_ONE };
        (self.turned, self.empty) = (self.turned + cost, empty);
        self.next = Next::After(after);
        Ok(())
    }
}

fn short(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: &str, first: Option<&str>) -> Page<String, String> {
        let (after, first) = (Some(after.to_owned()), first.map(str::to_owned));
        let entries = usize::from(first.is_some());
        Page { is_truncated: Some(true), after, first, entries }
    }

    /// How many of these pages are read before the limit, and the error.
    fn turned(pages: impl Iterator<Item = Page<String, String>>) -> (usize, String) {
        let mut listing = Pages::at_most(500);
        for (turned, page) in pages.enumerate() {
            if let Err(said) = listing.turn_or_say(page) {
                return (turned, said);
            }
        }
        panic!("it has an end");
    }

    #[test]
    fn a_listing_that_goes_round_in_circles_is_given_up() {
        let two = |n: usize| page(["a", "b"][n % 2], Some(&format!("key {n}")));
        assert_eq!(turned((0..).map(two)), (2, "the same page came again".to_owned()));
        let fresh = |n: usize| page(&format!("token {n}"), Some(["k", "l", "m"][n % 3]));
        assert_eq!(turned((0..).map(fresh)), (3, "the same page came again".to_owned()));
        let nowhere = || Page { after: None, ..page("", Some("k")) };
        assert_eq!(turned(std::iter::repeat_with(nowhere)).0, 0);
    }

    #[test]
    fn a_listing_without_end_is_given_up() {
        let empty = |n: usize| page(&format!("token {n}"), None);
        assert_eq!(turned((0..).map(empty)), (100, "100 pages in a row are empty".to_owned()));
        let now_and_then = |n: usize| {
            let key = format!("key {n}");
            page(&format!("token {n}"), (n.is_multiple_of(90)).then_some(key.as_str()))
        };
        let (pages, said) = turned((0..).map(now_and_then));
        assert_eq!((pages, said.as_str()), (500, "it has more than 500 pages"));
        let full = |n: usize| {
            let key = format!("key {n}");
            Page { entries: FULL, ..page(&format!("token {n}"), Some(key.as_str())) }
        };
        assert_eq!(turned((0..).map(full)).0, 5000, "full ones count less");
    }

    #[test]
    fn what_a_page_ends_with_may_be_what_another_begins_with() {
        let mut listing = Pages::at_most(500);
        listing.turn_or_say(page("k", Some("a"))).unwrap();
        listing.turn_or_say(page("m", Some("k"))).unwrap();
        let last = Page { is_truncated: Some(false), after: None, ..page("", Some("m")) };
        listing.turn_or_say(last).unwrap();
        assert_eq!(listing.next(), &Next::End);
    }
}
