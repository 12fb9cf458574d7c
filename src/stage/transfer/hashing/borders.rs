//! The hashes at earlier borders between parts, so that fetching a part again does not require hashing
//! everything before it again.

use super::HashingState;

/// The most borders kept: the newest ones without gaps, older ones ever further apart.
const MOST: usize = 16;

/// How many of the newest have no gap between them.
const NEWEST: usize = 4;

/// The hashes at the start of a file, or where it was resumed, and at borders since.
#[derive(Debug)]
pub(in super::super) struct Borders(Vec<HashingState>);

impl Borders {
    /// Starts with the hashes at the beginning.
    pub(in super::super) fn from(begin: HashingState) -> Self {
        Self(vec![begin])
    }

    /// Adds the hashes after the next part.
    pub(in super::super) fn pass(&mut self, state: HashingState) {
        let newest = state.parts;
        self.0.push(state);
        if self.0.len() > MOST {
            self.0.remove(self.least_missed(newest));
        }
    }

    /// The border whose removal leaves the smallest gap for its age. Never the first one, from which
    /// any part can be fetched again.
    fn least_missed(&self, newest: u32) -> usize {
        const SCALE: u64 = 1 << 16;
        let older = self.0.len() - NEWEST;
        let gaps = self.0.windows(3).take(older - 1).map(|around| match around {
            [before, this, after] => {
                let gap = u64::from(after.parts - before.parts);
                gap * SCALE / u64::from(newest - this.parts)
            }
            _ => u64::MAX,
        });
        gaps.enumerate().min_by_key(|(_, gap)| *gap).map_or(1, |(place, _)| place + 1)
    }

    /// The hashes at the last kept border before a part; `None` before the first one.
    pub(in super::super) fn before(&self, part: u32) -> Option<&HashingState> {
        self.0.iter().rev().find(|state| state.parts < part)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hashing;
    use super::*;

    #[test]
    fn the_newest_borders_are_side_by_side_and_the_first_is_always_kept() {
        let state = |parts| HashingState { parts, ..Hashing::new(None).state() };
        let mut borders = Borders::from(state(0));
        for parts in 1..=10_000 {
            borders.pass(state(parts));
            assert!(borders.0.len() <= MOST);
            for part in parts.saturating_sub(2).max(1)..=parts {
                assert_eq!(borders.before(part).map(|state| state.parts), Some(part - 1));
            }
            assert_eq!(borders.before(1).map(|state| state.parts), Some(0));
        }
        // For older parts, at most about twice as much is hashed again as necessary.
        for part in [9_900, 9_000, 5_000] {
            let from = borders.before(part).unwrap().parts;
            assert!(10_000 - from <= 3 * (10_000 - part) + 8, "{part} from {from}");
        }
    }
}
