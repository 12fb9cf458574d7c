//! A small writer of transport streams, for tests: one video and one audio stream.

use super::PACKET;
use super::psi::crc32;

pub(crate) const PMT: u16 = 0x1000;
pub(crate) const PICTURE: u16 = 0x100;
pub(crate) const SOUND: u16 = 0x101;

/// The content, and how to write it.
#[derive(Debug, Clone)]
pub(crate) struct Video {
    /// Frames per second.
    pub rate: u64,
    pub frames: u64,
    pub has_picture: bool,
    pub has_sound: bool,
    /// The time of the first frame, in units of 90 kHz.
    pub begins: u64,
    /// Bytes per picture.
    pub size: usize,
    /// Whether pictures are written in another order than they are shown.
    pub is_reordered: bool,
}

impl Video {
    /// A stream of this many seconds.
    pub fn of_seconds(seconds: u64) -> Self {
        let (has_picture, has_sound) = (true, true);
        let frames = seconds * 25;
        Self {
            rate: 25,
            frames,
            has_picture,
            has_sound,
            begins: 126_000,
            size: 900,
            is_reordered: false,
        }
    }

    /// The stream.
    pub fn muxed(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for frame in 0..self.frames {
            if frame % 10 == 0 {
                writer.tables(self);
            }
            let time = |frame: u64| (self.begins + frame * 90_000 / self.rate) % (1 << 33);
            // P B B P: 0 3 1 2.
            let shown = match frame % 4 {
                1 if self.is_reordered => frame + 2,
                2 | 3 if self.is_reordered => frame - 1,
                _ => frame,
            };
            if self.has_picture {
                writer.frame(PICTURE, 0xe0, time(shown), self.size);
            }
            if self.has_sound {
                writer.frame(SOUND, 0xc0, time(frame), 150);
            }
        }
        writer.bytes
    }
}

/// The packets of a stream so far.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub bytes: Vec<u8>,
    counters: std::collections::BTreeMap<u16, u8>,
}

impl Writer {
    /// Writes the tables that announce the streams.
    pub fn tables(&mut self, video: &Video) {
        let pat = section(0, &[0, 1, 0xe0 | (PMT >> 8) as u8, PMT as u8]);
        self.packet(0, true, &[vec![0], pat].concat());
        let stream = |kind: u8, pid: u16| vec![kind, 0xe0 | (pid >> 8) as u8, pid as u8, 0xf0, 0];
        let mut body = vec![0xe1, 0, 0xf0, 0];
        if video.has_picture {
            body.extend(stream(0x1b, PICTURE));
        }
        if video.has_sound {
            body.extend(stream(0x0f, SOUND));
        }
        self.packet(PMT, true, &[vec![0], section(2, &body)].concat());
    }

    /// Writes a frame of `size` bytes at `pts`, in ticks of 90 kHz.
    pub fn frame(&mut self, pid: u16, id: u8, pts: u64, size: usize) {
        let byte = |shift: u32, mask: u64| ((pts >> shift) & mask) as u8;
        let time = [
            0x21 | byte(30, 7) << 1,
            byte(22, 0xff),
            byte(15, 0x7f) << 1 | 1,
            byte(7, 0xff),
            byte(0, 0x7f) << 1 | 1,
        ];
        let mut frame = vec![0, 0, 1, id, 0, 0, 0x80, 0x80, 5];
        frame.extend(time);
        // None of these bytes looks like the beginning of a packet.
        frame.extend((0..size).map(|at| (at % 64) as u8));
        for (number, payload) in frame.chunks(PACKET - 4).enumerate() {
            self.packet(pid, number == 0, payload);
        }
    }

    /// A packet, padded if its payload is short.
    pub fn packet(&mut self, pid: u16, begins: bool, payload: &[u8]) {
        let counter = self.counters.entry(pid).or_default();
        let flag = if begins { 0x40 } else { 0 };
        let filled = (PACKET - 4).saturating_sub(payload.len());
        let has_field = if filled > 0 && pid >= 0x20 && pid != PMT { 0x20 } else { 0 };
        self.bytes.extend([0x47, flag | (pid >> 8) as u8, pid as u8, 0x10 | has_field | *counter]);
        *counter = (*counter + 1) & 0x0f;
        if has_field != 0 {
            self.bytes.push((filled - 1) as u8);
            self.bytes.extend((1..filled).map(|at| if at == 1 { 0 } else { 0xff }));
            self.bytes.extend_from_slice(payload);
        } else {
            self.bytes.extend_from_slice(payload);
            self.bytes.extend(std::iter::repeat_n(0xff, filled));
        }
    }
}

/// A section of a table with its checksum.
fn section(id: u8, body: &[u8]) -> Vec<u8> {
    let length = 5 + body.len() + 4;
    let mut section = vec![id, 0xb0 | (length >> 8) as u8, length as u8, 0, 1, 0xc1, 0, 0];
    section.extend_from_slice(body);
    section.extend(crc32(&section).to_be_bytes());
    section
}
