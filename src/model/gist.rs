//! What messages about the same problem of many files have in common.

/// The text with `…` in place of the words that differ between files with the same problem.
pub fn gist(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut gist: Vec<String> = Vec::with_capacity(words.len());
    for (place, word) in words.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| words.get(place)).copied();
        let after = words.get(place + 1).copied();
        gist.push(gist_of(word, before.unwrap_or_default(), after.unwrap_or_default()));
    }
    gist.join(" ")
}

fn gist_of(word: &str, before: &str, after: &str) -> String {
    let bare = word.trim_end_matches([':', ',', ';', ')', '.']);
    let end = word.get(bare.len()..).unwrap_or_default();
    let is_number = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit());
    let is_measured =
        after.starts_with("byte") || ["byte", "bytes", "of", "part"].contains(&before);
    if let Some((scheme, rest)) = bare.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return if host == rest { word.to_owned() } else { format!("{scheme}://{host}/…{end}") };
    }
    match () {
        () if is_number && is_measured => format!("…{end}"),
        () if bare.parse::<jiff::Timestamp>().is_ok() => format!("…{end}"),
        () if bare.split(['-', '/', '_', '.']).any(is_id) => format!("…{end}"),
        () if is_key(bare) => format!("…{end}"),
        () => word.to_owned(),
    }
}

/// Whether the text is hex digits like the id of a recording or request, or a digest.
fn is_id(text: &str) -> bool {
    text.len() >= 8
        && text.chars().all(|c| c.is_ascii_hexdigit())
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// Whether the text is a key with a number in it, like that of a room's object.
fn is_key(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let is_name = |part: &str| part.contains(|c: char| c.is_alphabetic());
    text.contains('/') && text.split('/').any(is_number) && text.split('/').any(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_the_matter_is_told_apart() {
        let differ = [
            ("the host answered with status 404", "the host answered with status 500"),
            ("WeChat answered 40125", "WeChat answered 300022"),
            ("https://a.com/x: not allowed", "https://b.com/x: not allowed"),
            ("h:8443 is not allowed", "h:9443 is not allowed"),
            ("3/4 of them failed", "4/4 of them failed"),
        ];
        for (one, other) in differ {
            assert_ne!(gist(one), gist(other));
        }
        let alike = [
            ("the body ended after 5 bytes of 77", "the body ended after 900123 bytes of 1234567"),
            (
                "WeChat deleted it on 2026-11-22T03:00:00Z: gone",
                "WeChat deleted it on 2026-11-23T04:01:00Z: gone",
            ),
            ("p/wx1/rooms/18/SHA256SUMS: denied", "p/wx1/rooms/19/SHA256SUMS: denied"),
            ("failed (rid: 65f3ab12-3ab4-77)", "failed (rid: 65f3ab99-0000-12)"),
        ];
        for (one, other) in alike {
            assert_eq!(gist(one), gist(other));
        }
    }
}
