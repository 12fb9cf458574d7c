//! The walk over the packets of a chunk.

use std::collections::BTreeMap;

use super::clock::{Span, millis, pts};
use super::packet::{NULL, Packet, SYNC};
use super::psi::{Kind, Section, Table, pmt_pids, streams};
use super::{Examined, Finding, MOST, PACKET, Promise, What};

/// Streams below this number are system tables.
const FIRST_FREE: u16 = 0x20;

/// No real stream has as many programs or program tables.
const MOST_STREAMS: usize = 256;

/// Findings of one kind that begin within this many bytes are merged.
const ONE_PLACE: u64 = 64 << 10;

/// Longer chunks are not compared with their playlist: times wrap around after 26 hours.
const LONGEST_MS: u64 = 12 * 3_600_000;

/// The number of bytes needed to recognise a packet after lost ones.
const AHEAD: usize = PACKET + 1;

/// The state of a packet stream.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    /// The last counter, if any.
    continuity: Option<u8>,
    /// Whether the last packet was a repetition.
    is_repeated: bool,
    packets: u64,
    scrambled: u64,
    kind: Option<Kind>,
    span: Span,
}

/// Examines a transport stream fed to it in pieces.
#[derive(Debug)]
pub struct TsWalk {
    /// Bytes after the last whole packet.
    carry: Vec<u8>,
    /// The offset of the next packet.
    offset: u64,
    /// The offset from which on no packet has been found.
    lost_at: Option<u64>,
    pat: Section,
    has_pat: bool,
    pmts: BTreeMap<u16, Section>,
    has_pmt: bool,
    streams: BTreeMap<u16, Stream>,
    findings: Vec<Finding>,
    more: u64,
}

impl Default for TsWalk {
    fn default() -> Self {
        Self {
            carry: Vec::with_capacity(2 * AHEAD),
            offset: 0,
            lost_at: None,
            pat: Section::default(),
            has_pat: false,
            pmts: BTreeMap::new(),
            has_pmt: false,
            streams: BTreeMap::new(),
            findings: Vec::new(),
            more: 0,
        }
    }
}

impl TsWalk {
    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if !self.carry.is_empty() {
            let mut carry = std::mem::take(&mut self.carry);
            let taken = bytes.len().min((AHEAD - 1).saturating_mul(2).saturating_sub(carry.len()));
            carry.extend_from_slice(bytes.get(..taken).unwrap_or(bytes));
            let left = self.packets(&carry);
            if left > taken {
                carry.drain(..carry.len() - left);
                self.carry = carry;
                return;
            }
            // The rest is from the new bytes, so nothing needs to be carried over.
            carry.clear();
            self.carry = carry;
            bytes = bytes.get(taken - left..).unwrap_or_default();
        }
        let left = self.packets(bytes);
        self.carry.extend_from_slice(bytes.get(bytes.len() - left..).unwrap_or_default());
    }

    /// Takes all whole packets. Returns the number of bytes left after them.
    fn packets(&mut self, mut bytes: &[u8]) -> usize {
        while let Some((packet, rest)) = bytes.split_first_chunk::<PACKET>() {
            // A single byte may look like a beginning by coincidence: the next packet has to follow.
            let follows = match (self.lost_at, rest.first()) {
                (None, _) => true,
                (Some(_), Some(next)) => *next == SYNC,
                (Some(_), None) => break,
            };
            match Packet::read(packet).filter(|_| follows) {
                Some(read) => {
                    self.found_again();
                    self.packet(&read);
                    self.offset += PACKET as u64;
                    bytes = rest;
                }
                None => {
                    self.lost_at.get_or_insert(self.offset);
                    let next = packet.iter().skip(1).position(|byte| *byte == SYNC);
                    let skipped = next.map_or(PACKET, |at| at + 1);
                    self.offset += skipped as u64;
                    bytes = bytes.get(skipped..).unwrap_or_default();
                }
            }
        }
        bytes.len()
    }

    /// Handles a packet that begins here: if none did before, reports that, and does not count the lost
    /// packets again for each stream.
    fn found_again(&mut self) {
        if let Some(lost_at) = self.lost_at.take() {
            self.note(lost_at, self.offset - lost_at, What::NoSync);
            self.streams.values_mut().for_each(|stream| stream.continuity = None);
        }
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        if packet.pid == NULL {
            return;
        }
        if packet.is_marked {
            return self.note(self.offset, PACKET as u64, What::Marked);
        }
        let Some(payload) = packet.payload else { return self.count(packet) };
        if packet.pid == 0 {
            let table = self.pat.take(payload, packet.begins);
            return self.pat(table);
        }
        if let Some(section) = self.pmts.get_mut(&packet.pid) {
            let table = section.take(payload, packet.begins);
            return self.pmt(table);
        }
        self.count(packet);
        if packet.begins && !packet.is_scrambled {
            self.frame(packet.pid, payload);
        }
    }

    fn pat(&mut self, table: Table) {
        match table {
            Table::Nothing => {}
            Table::Unsound => self.note(self.offset, PACKET as u64, What::Checksum),
            Table::Whole(pat) => {
                self.has_pat = true;
                for pid in pmt_pids(&pat) {
                    if self.pmts.len() < MOST_STREAMS {
                        self.pmts.entry(pid).or_default();
                    }
                }
            }
        }
    }

    fn pmt(&mut self, table: Table) {
        let found = match table {
            Table::Nothing => return,
            Table::Unsound => return self.note(self.offset, PACKET as u64, What::Checksum),
            Table::Whole(pmt) => streams(&pmt),
        };
        for (pid, kind) in found.into_iter().flatten() {
            self.has_pmt = true;
            if self.streams.len() < MOST_STREAMS || self.streams.contains_key(&pid) {
                self.streams.entry(pid).or_default().kind = Some(kind);
            }
        }
    }

    /// Compares the packet's counter with the previous one. A packet may be sent twice.
    fn count(&mut self, packet: &Packet<'_>) {
        let is_known = self.streams.contains_key(&packet.pid);
        if packet.pid < FIRST_FREE || (!is_known && self.streams.len() >= MOST_STREAMS) {
            return;
        }
        let stream = self.streams.entry(packet.pid).or_default();
        stream.packets += 1;
        stream.scrambled += u64::from(packet.is_scrambled);
        if packet.is_discontinuous {
            stream.continuity = None;
            // The clock is common to all streams.
            self.streams.values_mut().for_each(|stream| stream.span.restart());
        }
        let Some(stream) = self.streams.get_mut(&packet.pid).filter(|_| packet.payload.is_some())
        else {
            return;
        };
        let last = stream.continuity.replace(packet.continuity);
        let is_next = last.is_none_or(|last| (last + 1) & 0x0f == packet.continuity);
        let repeats = last == Some(packet.continuity) && !stream.is_repeated;
        stream.is_repeated = repeats;
        if !is_next && !repeats {
            self.note(self.offset, PACKET as u64, What::Continuity { pid: packet.pid });
        }
    }

    /// The payload at the start of a frame.
    fn frame(&mut self, pid: u16, payload: &[u8]) {
        let Some(stream) = self.streams.get_mut(&pid) else { return };
        match (stream.kind, pts(payload)) {
            (Some(Kind::Other), _) | (_, Ok(None)) => {}
            (_, Ok(Some(pts))) => stream.span.take(pts),
            // A stream that is not known as picture or sound may be a table.
            (None, Err(())) => {}
            (Some(_), Err(())) => self.note(self.offset, PACKET as u64, What::NoPes { pid }),
        }
    }

    fn note(&mut self, offset: u64, length: u64, what: What) {
        let same = |known: &&mut Finding| {
            known.what == what && known.offset + known.length + ONE_PLACE >= offset
        };
        if let Some(known) = self.findings.iter_mut().rev().find(same) {
            known.length = (offset + length).saturating_sub(known.offset);
            return;
        }
        if self.findings.len() >= MOST {
            self.more += 1;
            return;
        }
        let at_ms = if offset == 0 { Some(0) } else { self.main().and_then(Span::now_ms) };
        self.findings.push(Finding { offset, length, at_ms, what });
    }

    /// The times of the pictures, or of the sound if there are no pictures.
    fn main(&self) -> Option<&Span> {
        let of = |kind| {
            let streams = self.streams.values().filter(move |stream| stream.kind == Some(kind));
            streams.map(|stream| &stream.span).max_by_key(|span| span.frames())
        };
        of(Kind::Picture).filter(|span| span.frames() > 1).or_else(|| of(Kind::Sound))
    }

    /// The result, after all bytes.
    pub fn finish(mut self, promise: Option<Promise>) -> Examined {
        let carry = std::mem::take(&mut self.carry);
        let mut left = carry.len() as u64;
        if let Some(last) = carry.first_chunk::<PACKET>().and_then(Packet::read) {
            self.found_again();
            self.packet(&last);
            self.offset += PACKET as u64;
            left -= PACKET as u64;
        }
        let begins = carry.first() == Some(&SYNC) && self.lost_at.is_none();
        let cut = Some(left).filter(|left| begins && *left > 0);
        let end = self.offset + left;
        match self.lost_at.take() {
            Some(at) => self.note(at, end - at, What::NoSync),
            None if left > 0 && cut.is_none() => self.note(self.offset, left, What::Trailing),
            None => {}
        }
        if promise.is_some_and(|promise| !promise.has_init) {
            match (self.has_pat, self.has_pmt) {
                (false, _) => self.note(0, end, What::NoPat),
                (true, false) => self.note(0, end, What::NoPmt),
                (true, true) => {}
            }
        }
        let unexamined = self.scrambled();
        if let Some(promise) = promise.filter(|_| unexamined.is_none() && self.has_pmt) {
            self.judge_duration(promise, end);
        }
        self.findings.sort_by_key(|finding| finding.offset);
        Examined { findings: self.findings, more: self.more, unexamined, cut }
    }

    /// Why the streams cannot be examined. If only a few packets look scrambled, they are damaged
    /// instead.
    fn scrambled(&mut self) -> Option<&'static str> {
        let of = |count: fn(&Stream) -> u64| self.streams.values().map(count).sum::<u64>();
        let (packets, scrambled) = (of(|stream| stream.packets), of(|stream| stream.scrambled));
        if scrambled * 2 > packets {
            return Some("its packets are scrambled");
        }
        if scrambled > 0 {
            self.note(0, scrambled * PACKET as u64, What::Scrambled);
        }
        None
    }

    /// Compares the times of the frames with the playlist.
    fn judge_duration(&mut self, promise: Promise, end: u64) {
        let (told, tolerance) = (promise.duration_ms, promise.tolerance_ms());
        if told > LONGEST_MS {
            return;
        }
        let shown = |stream: &&Stream| matches!(stream.kind, Some(Kind::Picture | Kind::Sound));
        let spans: Vec<Span> =
            self.streams.values().filter(shown).map(|stream| stream.span).collect();
        // An unknown stream may be the only content, and a single frame may last any time.
        let Some(longest) = spans.iter().max_by_key(|span| span.high()) else { return };
        let frames: u64 = spans.iter().map(Span::frames).sum();
        if frames == 0 {
            let has_packets = self.streams.values().filter(shown).any(|stream| stream.packets > 0);
            if !has_packets && told > tolerance {
                self.note(0, end, What::Nothing);
            }
            return;
        }
        if spans.iter().all(|span| span.frames() < 2) {
            return;
        }
        let plays = millis(longest.high());
        if plays + tolerance < told {
            let what = What::Short { told, plays };
            return self.note(end, 0, what);
        }
        let main = self.main().filter(|span| !span.has_restarted() && !promise.may_run_on);
        let plays = main.map_or(0, |span| millis(span.low()));
        if plays > told + tolerance {
            self.note(0, end, What::Long { told, plays });
        }
    }
}
