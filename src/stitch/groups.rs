//! Sample groups (`sgpd`, `sbgp`), such as how far before a sample decoding must begin.

use bytes::Bytes;

use super::boxes::{boxed, count, word};
use super::tables::{runs, total};
use crate::media::mp4::boxes::children;
use crate::media::mp4::samples::table::{Table, number};

/// The most kinds of groups of a track.
const MOST_KINDS: usize = 16;

/// The groups of one kind.
#[derive(Debug, Clone)]
pub(super) struct Group {
    kind: [u8; 4],
    /// The body of its `sgpd`.
    descriptions: Bytes,
    /// The description of each sample, in runs; 0 for none.
    samples: Table,
}

/// The groups of a track that can be joined: those whose boxes agree. They are hints, and a player does
/// without them.
pub(super) fn groups(moov: &Bytes, stbl: &[u8], samples: u32) -> Vec<Group> {
    let of = |wanted: &'static [u8; 4]| {
        children(stbl).filter(move |(kind, _)| kind.0 == *wanted).map(|(_, body)| body)
    };
    let kind = |body: &[u8]| body.get(4..)?.first_chunk::<4>().copied();
    let groups = of(b"sgpd").take(MOST_KINDS).filter_map(|sgpd| {
        let kind_of = kind(sgpd)?;
        let sbgp = of(b"sbgp").take(MOST_KINDS).find(|sbgp| kind(sbgp) == Some(kind_of))?;
        // Version 1 has a parameter before the number of entries.
        let head = if sbgp.first() == Some(&0) { 12 } else { return None };
        let table = Table::of(moov, Some(sbgp), head, 8);
        let descriptions = number(sgpd, if sgpd.first() == Some(&0) { 8 } else { 12 })?;
        let is_sound = !table.is_short
            && total(&table) <= u64::from(samples)
            && runs(&table).all(|(_, description)| description <= descriptions);
        let descriptions = moov.slice_ref(sgpd);
        is_sound.then_some(Group { kind: kind_of, descriptions, samples: table })
    });
    groups.collect()
}

/// The groups of one kind of all segments so far.
#[derive(Debug, Clone)]
pub(super) struct MergedGroup {
    kind: [u8; 4],
    descriptions: Bytes,
    runs: Vec<(u32, u32)>,
}

/// The groups of a film: those kinds that all segments describe alike.
#[derive(Debug, Clone, Default)]
pub(super) struct MergedGroups(Vec<MergedGroup>);

impl MergedGroups {
    pub(super) fn like(first: &[Group]) -> Self {
        let merged = first.iter().map(|group| MergedGroup {
            kind: group.kind,
            descriptions: group.descriptions.clone(),
            runs: Vec::new(),
        });
        Self(merged.collect())
    }

    /// Adds the groups of `samples` more samples.
    pub(super) fn add(&mut self, groups: &[Group], samples: u32) {
        let of = |kind| groups.iter().find(|group| group.kind == kind);
        self.0.retain(|merged| {
            of(merged.kind).is_none_or(|group| group.descriptions == merged.descriptions)
        });
        for merged in &mut self.0 {
            let runs_of = of(merged.kind).into_iter().flat_map(|group| runs(&group.samples));
            let mut left = samples;
            for (samples, description) in runs_of {
                push_run(&mut merged.runs, samples, description);
                left = left.saturating_sub(samples);
            }
            push_run(&mut merged.runs, left, 0);
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for group in &self.0 {
            boxed(out, b"sgpd", |out| out.extend_from_slice(&group.descriptions));
            boxed(out, b"sbgp", |out| {
                word(out, 0);
                out.extend(group.kind);
                count(out, group.runs.len());
                for (samples, description) in &group.runs {
                    word(out, *samples);
                    word(out, *description);
                }
            });
        }
    }
}

/// Adds a run to others, to the last of them if it has the same value.
pub(super) fn push_run(runs: &mut Vec<(u32, u32)>, count: u32, value: u32) {
    match runs.last_mut() {
        _ if count == 0 => {}
        Some((before, of)) if *of == value && before.checked_add(count).is_some() => {
            *before += count;
        }
        _ => runs.push((count, value)),
    }
}
