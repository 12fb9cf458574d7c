//! Names of codecs (RFC 6381), and their configurations.

use mp4_atom::{Avcc, Codec, Encode, Hvcc, Mp4a};

/// MPEG-4 audio (ISO/IEC 14496-3), an object type of `esds`.
const MPEG4_AUDIO: u8 = 0x40;

/// The RFC 6381 name of a codec, such as `avc1.64001f`; only its type if no more is known.
pub(super) fn name(codec: &Codec) -> String {
    match codec {
        Codec::Avc1(entry) => avc("avc1", &entry.avcc),
        Codec::Avc3(entry) => avc("avc3", &entry.avcc),
        Codec::Hev1(entry) => hevc("hev1", &entry.hvcc),
        Codec::Hvc1(entry) => hevc("hvc1", &entry.hvcc),
        Codec::Mp4a(entry) => mp4a(entry),
        Codec::Mp3(_) => "mp3".to_owned(),
        Codec::Av01(_) => "av01".to_owned(),
        Codec::Vp08(_) => "vp08".to_owned(),
        Codec::Vp09(_) => "vp09".to_owned(),
        Codec::Opus(_) => "Opus".to_owned(),
        Codec::Flac(_) => "fLaC".to_owned(),
        Codec::Ac3(_) => "ac-3".to_owned(),
        Codec::Eac3(_) => "ec-3".to_owned(),
        Codec::Unknown(kind, _) => plain(&kind.to_string()),
        _ => "unknown".to_owned(),
    }
}

/// A type in a form that fits into a list: without blanks, commas and unprintable characters.
fn plain(kind: &str) -> String {
    kind.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn avc(kind: &str, avcc: &Avcc) -> String {
    let Avcc { avc_profile_indication, profile_compatibility, avc_level_indication, .. } = avcc;
    format!(
        "{kind}.{avc_profile_indication:02x}{profile_compatibility:02x}{avc_level_indication:02x}"
    )
}

/// ISO/IEC 14496-15 annex E: profile, reversed compatibility bits, tier and level, then the
/// constraint bytes without trailing zeros.
fn hevc(kind: &str, hvcc: &Hvcc) -> String {
    let space = match hvcc.general_profile_space {
        1 => "A",
        2 => "B",
        3 => "C",
        _ => "",
    };
    let compatibility = u32::from_be_bytes(hvcc.general_profile_compatibility_flags).reverse_bits();
    let tier = if hvcc.general_tier_flag { 'H' } else { 'L' };
    let mut name = format!(
        "{kind}.{space}{}.{compatibility:x}.{tier}{}",
        hvcc.general_profile_idc, hvcc.general_level_idc
    );
    let constraints = &hvcc.general_constraint_indicator_flags;
    let last = constraints.iter().rposition(|&byte| byte != 0);
    for byte in constraints.iter().take(last.map_or(0, |last| last + 1)) {
        name.push_str(&format!(".{byte:x}"));
    }
    name
}

fn mp4a(entry: &Mp4a) -> String {
    let config = &entry.esds.es_desc.dec_config;
    match (config.object_type_indication, &config.dec_specific) {
        (MPEG4_AUDIO, Some(specific)) if specific.profile > 0 => {
            format!("mp4a.40.{}", specific.profile)
        }
        (object_type, _) => format!("mp4a.{object_type:02x}"),
    }
}

/// A decoder's configuration: equal for files that can be joined without re-encoding.
///
/// It leaves out bit rates and buffer sizes, which differ between segments. `None` for codecs whose
/// configuration is unknown here.
pub(super) fn config(codec: &Codec) -> Option<Vec<u8>> {
    let mut config = name(codec).into_bytes();
    match codec {
        Codec::Avc1(entry) => entry.avcc.encode(&mut config),
        Codec::Avc3(entry) => entry.avcc.encode(&mut config),
        Codec::Hev1(entry) => entry.hvcc.encode(&mut config),
        Codec::Hvc1(entry) => entry.hvcc.encode(&mut config),
        Codec::Mp4a(entry) => entry.esds.es_desc.dec_config.dec_specific.encode(&mut config),
        _ => return None,
    }
    .ok()?;
    if let Some(visual) = codec.visual() {
        config.extend(visual.width.to_be_bytes());
        config.extend(visual.height.to_be_bytes());
    }
    if let Some(audio) = codec.audio() {
        config.extend(audio.channel_count.to_be_bytes());
        config.extend(audio.sample_rate.integer().to_be_bytes());
    }
    Some(config)
}
