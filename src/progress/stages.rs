//! How long each stage was at work.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::Progress;
use crate::model::{AppId, Stage};

/// How long each stage was at work. A time in which it worked on several rooms counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageTimes([Duration; Stage::ALL.len()]);

impl StageTimes {
    /// Each stage with its time.
    pub fn iter(self) -> impl Iterator<Item = (Stage, Duration)> {
        Stage::ALL.into_iter().zip(self.0)
    }

    /// The milliseconds of the stages that had something to do, by their names.
    pub fn millis(self) -> BTreeMap<String, u64> {
        let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let used = self.iter().filter(|(_, took)| !took.is_zero());
        used.map(|(stage, took)| (stage.as_str().to_owned(), millis(took))).collect()
    }
}

/// A stage at work, until this is dropped.
#[derive(Debug)]
pub struct AtWork<'a> {
    pub(super) progress: &'a Progress,
    pub(super) appid: &'a AppId,
    pub(super) stage: Stage,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.progress.stages().end(self.appid, self.stage, Instant::now());
    }
}

/// The stages of all accounts.
#[derive(Debug, Default)]
pub(super) struct Stages {
    all: Watches,
    accounts: HashMap<AppId, Watches>,
}

impl Stages {
    pub(super) fn begin(&mut self, appid: &AppId, stage: Stage, now: Instant) {
        self.all.of(stage).begin(now);
        self.accounts.entry(appid.clone()).or_default().of(stage).begin(now);
    }

    fn end(&mut self, appid: &AppId, stage: Stage, now: Instant) {
        self.all.of(stage).end(now);
        if let Some(account) = self.accounts.get_mut(appid) {
            account.of(stage).end(now);
        }
    }

    /// How long the stages were at work for any account.
    pub(super) fn times(&self, now: Instant) -> StageTimes {
        self.all.times(now)
    }

    /// How long they were at work for one account.
    pub(super) fn times_of(&self, appid: &AppId, now: Instant) -> StageTimes {
        self.accounts.get(appid).map(|account| account.times(now)).unwrap_or_default()
    }
}

/// A stopwatch for each stage.
#[derive(Debug, Default)]
struct Watches([Watch; Stage::ALL.len()]);

impl Watches {
    #[expect(clippy::indexing_slicing, reason = "there is one for each stage")]
    fn of(&mut self, stage: Stage) -> &mut Watch {
        &mut self.0[stage as usize]
    }

    fn times(&self, now: Instant) -> StageTimes {
        StageTimes(self.0.each_ref().map(|watch| watch.took(now)))
    }
}

/// A stopwatch that runs while anything is at work.
#[derive(Debug, Default)]
struct Watch {
    at_work: u32,
    /// Since when it runs.
    since: Option<Instant>,
    /// What it measured before.
    took: Duration,
}

impl Watch {
    fn begin(&mut self, now: Instant) {
        self.at_work += 1;
        self.since = self.since.or(Some(now));
    }

    fn end(&mut self, now: Instant) {
        self.at_work = self.at_work.saturating_sub(1);
        if self.at_work == 0 {
            (self.took, self.since) = (self.took(now), None);
        }
    }

    fn took(&self, now: Instant) -> Duration {
        let running = self.since.map(|since| now.duration_since(since));
        self.took + running.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn a_time_in_which_a_stage_works_on_several_rooms_counts_once() {
        let progress = Progress::default();
        let [one, other]: [AppId; 2] = ["wx1", "wx2"].map(|appid| appid.parse().unwrap());
        let second = Duration::from_secs(1);
        let seconds = |times: StageTimes| times.iter().map(|(_, took)| took.as_secs()).collect();
        let of = |appid: &AppId| -> Vec<u64> { seconds(progress.stages_of(appid)) };
        let first = progress.at_work(&one, Stage::Transfer);
        clock::pause(second).await;
        let second_room = progress.at_work(&one, Stage::Transfer);
        let elsewhere = progress.at_work(&other, Stage::Transfer);
        clock::pause(second).await;
        assert_eq!(of(&one), [0, 0, 0, 2, 0, 0], "it is at work still");
        drop(first);
        clock::pause(second).await;
        drop(second_room);
        clock::pause(second).await;
        assert_eq!((of(&one), of(&other)), (vec![0, 0, 0, 3, 0, 0], vec![0, 0, 0, 3, 0, 0]));
        drop(elsewhere);
        clock::pause(second).await;
        drop(progress.at_work(&one, Stage::Transfer));
        let seal = progress.at_work(&one, Stage::Seal);
        clock::pause(second).await;
        drop(seal);
        assert_eq!(of(&one), [0, 0, 0, 3, 1, 0]);
        let all: Vec<u64> = seconds(progress.counts().stages);
        assert_eq!(all, [0, 0, 0, 4, 1, 0], "accounts are counted together, not in sum");
        let named = progress.counts().stages.millis();
        assert_eq!(named, [("seal".to_owned(), 1000), ("transfer".to_owned(), 4000)].into());
    }
}
