//! The variants of a master playlist, best first.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::reader::attribute;
use super::{Base, HlsError, Link};

/// At most this many of the best variants are tried.
const MOST: usize = 16;

/// The prefixes of video codecs (RFC 6381).
const PICTURES: [&str; 9] = ["avc", "hvc", "hev", "dvh", "vp0", "av01", "mp4v", "vvc", "s263"];

/// A variant with both picture and sound.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its playlist.
    pub link: Link,
    quality: Quality,
}

/// The quality of a variant, compared field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Quality {
    has_pictures: bool,
    /// Bits per second; 0 if the playlist does not say.
    bandwidth: u64,
    pixels: u64,
}

/// A variant as the playlist offers it.
pub(super) struct Offer<'a> {
    quality: Quality,
    groups: [Option<&'a str>; 2],
    uri: &'a str,
}

/// All offers of a master playlist.
#[derive(Default)]
pub(super) struct Offers<'a> {
    offers: Vec<Offer<'a>>,
    /// Groups of renditions that have separate playlists.
    apart: HashSet<&'a str>,
    /// Groups with a rendition that is part of the variants themselves.
    within: HashSet<&'a str>,
}

impl Variant {
    /// The quality in words.
    pub fn quality_told(&self) -> String {
        let Quality { has_pictures, bandwidth, .. } = self.quality;
        let sound_alone = if has_pictures { "" } else { ", audio only" };
        match bandwidth {
            0 => format!("of unknown bit rate{sound_alone}"),
            bandwidth => format!("{} kbit/s{sound_alone}", bandwidth.div_ceil(1000)),
        }
    }

    /// Whether it has the same quality as another, of which it is a copy elsewhere.
    pub fn is_as_good_as(&self, other: &Self) -> bool {
        self.quality == other.quality
    }
}

impl<'a> Offer<'a> {
    /// Reads the attributes of `EXT-X-STREAM-INF`.
    pub fn of(attributes: &'a str) -> Result<Self, HlsError> {
        let number = |name| {
            let value = attribute(attributes, name)?;
            Ok(value.and_then(|value| value.parse::<u64>().ok()))
        };
        let (peak, average) = (number("BANDWIDTH")?, number("AVERAGE-BANDWIDTH")?);
        let resolution = attribute(attributes, "RESOLUTION")?;
        let codecs = attribute(attributes, "CODECS")?;
        let has_pictures = resolution.is_some() || codecs.is_none_or(names_pictures);
        let quality = Quality {
            has_pictures,
            bandwidth: peak.or(average).unwrap_or(0),
            pixels: resolution.and_then(pixels).unwrap_or(0),
        };
        let groups = [attribute(attributes, "AUDIO")?, attribute(attributes, "VIDEO")?];
        Ok(Self { quality, groups, uri: "" })
    }

    /// The same offer with the URI that follows.
    pub fn at(self, uri: &'a str) -> Self {
        Self { uri, ..self }
    }
}

impl<'a> Offers<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.offers.len()
    }

    /// Adds one.
    pub fn push(&mut self, offer: Offer<'a>) {
        self.offers.push(offer);
    }

    /// `EXT-X-MEDIA`: a rendition with a separate playlist, or one that is part of the variants of its
    /// group (RFC 8216, section 4.3.4.2.1).
    pub fn rendition(&mut self, attributes: &'a str) -> Result<(), HlsError> {
        let groups = match attribute(attributes, "URI")? {
            Some(_) => &mut self.apart,
            None => &mut self.within,
        };
        groups.extend(attribute(attributes, "GROUP-ID")?);
        Ok(())
    }

    /// The variants, best first; those of equal quality in the order of the playlist.
    pub fn variants(mut self, base: Base<'_>) -> Result<Vec<Variant>, HlsError> {
        let is_apart = |group: &&str| self.apart.contains(*group) && !self.within.contains(*group);
        self.offers.retain(|offer| !offer.groups.iter().flatten().any(is_apart));
        if self.offers.is_empty() {
            return Err(HlsError::SoundApart);
        }
        self.offers.sort_by_key(|offer| Reverse(offer.quality));
        let mut known = HashSet::new();
        let distinct = self.offers.iter().filter(|offer| known.insert(offer.uri));
        let variants: Vec<_> = distinct
            .filter_map(|offer| {
                Some(Variant { link: base.link(offer.uri)?, quality: offer.quality })
            })
            .take(MOST)
            .collect();
        if variants.is_empty() { Err(HlsError::NoVariant) } else { Ok(variants) }
    }
}

fn names_pictures(codecs: &str) -> bool {
    codecs.split(',').any(|codec| PICTURES.iter().any(|known| codec.trim().starts_with(known)))
}

/// `width` times `height` of a resolution such as `1280x720`.
fn pixels(resolution: &str) -> Option<u64> {
    let (width, height) = resolution.split_once(['x', 'X'])?;
    width.trim().parse::<u64>().ok()?.checked_mul(height.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::Playlist;
    use super::*;
    use crate::model::MediaUrl;

    fn order(lines: &str) -> Vec<String> {
        let base = MediaUrl::parse("http://h/a/m.m3u8").unwrap();
        let text = format!("#EXTM3U\n{lines}");
        match Playlist::parse(text.as_bytes(), &base) {
            Ok(Playlist::Master(variants)) => {
                variants.iter().map(|v| v.link.url.expose().to_string()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn names(lines: &str) -> String {
        let urls = order(lines);
        let names =
            urls.iter().map(|url| url.rsplit('/').next().unwrap().trim_end_matches(".m3u8"));
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn variants_come_best_first_whatever_they_leave_unsaid() {
        for (lines, expected) in [
            ("BANDWIDTH=1\na.m3u8 BANDWIDTH=2\nb.m3u8", "b a"),
            ("RESOLUTION=2x2\na.m3u8 BANDWIDTH=1\nb.m3u8", "b a"),
            ("PROGRAM-ID=1\na.m3u8 RESOLUTION=2x2\nb.m3u8", "b a"),
            ("BANDWIDTH=x\na.m3u8 AVERAGE-BANDWIDTH=1\nb.m3u8", "b a"),
            ("BANDWIDTH=5\na.m3u8 AVERAGE-BANDWIDTH=9\nb.m3u8", "b a"),
            ("BANDWIDTH=-1\na.m3u8 BANDWIDTH=1\nb.m3u8", "b a"),
            ("BANDWIDTH=9,CODECS=\"mp4a.40.2\"\na.m3u8 BANDWIDTH=1\nb.m3u8", "b a"),
            ("BANDWIDTH=9,CODECS=\"mp4a.40.2, avc1.64001f\"\na.m3u8 BANDWIDTH=1\nb.m3u8", "a b"),
            ("BANDWIDTH=1\na.m3u8 BANDWIDTH=9\nb.m3u8 BANDWIDTH=9\nc.m3u8", "b c a"),
            ("BANDWIDTH=9\na.m3u8 BANDWIDTH=9\na.m3u8 BANDWIDTH=1\nb.m3u8", "a b"),
            ("BANDWIDTH=9\nftp://h/a.m3u8 BANDWIDTH=1\nb.m3u8", "b"),
        ] {
            let lines: String = lines.split(" BAND").collect::<Vec<_>>().join("\n#BAND");
            let lines = lines.replace("\n#BAND", "\n#EXT-X-STREAM-INF:BAND");
            let lines = lines.replace(" RESOLUTION", "\n#EXT-X-STREAM-INF:RESOLUTION");
            let lines = lines.replace(" AVERAGE", "\n#EXT-X-STREAM-INF:AVERAGE");
            assert_eq!(names(&format!("#EXT-X-STREAM-INF:{lines}\n")), expected, "{lines}");
        }
    }

    #[test]
    fn a_group_that_the_variant_holds_itself_is_not_apart() {
        let media = |group: &str, rest: &str| {
            format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"n\"{rest}\n")
        };
        let lines = [
            media("a", ",DEFAULT=YES"),
            media("a", ",URI=\"other.m3u8\""),
            media("b", ",URI=\"sound.m3u8\""),
            "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nboth.m3u8\n".to_owned(),
            "#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO=\"b\"\nmute.m3u8\n".to_owned(),
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=99,URI=\"i.m3u8\"\n".to_owned(),
        ];
        assert_eq!(names(&lines.concat()), "both");
    }

    #[test]
    fn a_choice_without_end_is_cut_short() {
        let lines: String =
            (0..90).map(|n| format!("#EXT-X-STREAM-INF:BANDWIDTH={n}\n{n}.m3u8\n")).collect();
        let urls = order(&lines);
        assert_eq!((urls.len(), urls[0].as_str()), (MOST, "http://h/a/89.m3u8"));
    }
}
