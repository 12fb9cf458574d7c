//! Writing boxes.

/// Appends a box of type `kind` whose body `write` appends.
pub(super) fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    write(out);
    // The limits on samples and copied boxes keep every box below 4 GiB.
    let size = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(begin..begin + 4) {
        place.copy_from_slice(&size.to_be_bytes());
    }
}

/// Appends a box with this body.
pub(super) fn copied(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    boxed(out, kind, |out| out.extend(body));
}

pub(super) fn word(out: &mut Vec<u8>, word: u32) {
    out.extend(word.to_be_bytes());
}

pub(super) fn long(out: &mut Vec<u8>, long: u64) {
    out.extend(long.to_be_bytes());
}

/// Appends the number of entries. Limits keep it below 2^32.
pub(super) fn count(out: &mut Vec<u8>, entries: usize) {
    word(out, u32::try_from(entries).unwrap_or(u32::MAX));
}

/// The body of `mvhd`, `tkhd` or `mdhd` with another duration, in the version that can hold it. They
/// have `between` bytes between their times and the duration.
pub(super) fn with_duration(body: &[u8], between: usize, duration: u64) -> Option<Vec<u8>> {
    let (version, flags) = (*body.first()?, body.get(1..4)?);
    let (times, rest) = match version {
        0 => (4, 4),
        1 => (8, 8),
        _ => return None,
    };
    let created = number(body.get(4..4 + times)?);
    let modified = number(body.get(4 + times..4 + 2 * times)?);
    let at = 4 + 2 * times;
    let (fields, after) = (body.get(at..at + between)?, body.get(at + between + rest..)?);
    let short = |number: u64| u32::try_from(number).ok().filter(|number| *number != u32::MAX);
    let all = short(created).zip(short(modified)).zip(short(duration));
    let mut out = Vec::with_capacity(body.len() + 12);
    match all {
        Some(((created, modified), duration)) => {
            out.push(0);
            out.extend(flags);
            word(&mut out, created);
            word(&mut out, modified);
            out.extend(fields);
            word(&mut out, duration);
        }
        None => {
            out.push(1);
            out.extend(flags);
            long(&mut out, created);
            long(&mut out, modified);
            out.extend(fields);
            long(&mut out, duration);
        }
    }
    out.extend(after);
    Some(out)
}

/// The body of `mvhd` or `mdhd` with another time scale.
pub(super) fn with_timescale(mut body: Vec<u8>, timescale: u32) -> Option<Vec<u8>> {
    let at = if body.first() == Some(&1) { 20 } else { 12 };
    body.get_mut(at..at + 4)?.copy_from_slice(&timescale.to_be_bytes());
    Some(body)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_grows_only_for_a_duration_that_needs_it() {
        let body: Vec<u8> = (0..24).map(|n| if n == 0 { 0 } else { n }).collect();
        let short = with_duration(&body, 4, 7).unwrap();
        assert_eq!((short.len(), &short[16..20]), (24, &[0, 0, 0, 7][..]));
        assert_eq!((&short[..16], &short[20..]), (&body[..16], &body[20..]));
        let long = with_duration(&body, 4, 1 << 32).unwrap();
        assert_eq!((long.len(), long[0], &long[12..20]), (36, 1, &[0, 0, 0, 0, 8, 9, 10, 11][..]));
        assert_eq!(
            (&long[20..24], &long[24..32]),
            (&body[12..16], &(1_u64 << 32).to_be_bytes()[..])
        );
        assert_eq!(with_duration(&long, 4, 7).unwrap(), short, "and back");
        assert_eq!((with_duration(&[2; 40], 4, 7), with_duration(&body[..19], 4, 7)), (None, None));
    }
}
