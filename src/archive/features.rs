//! What a manifest requires of its readers: `requires` names features without which the manifest would be
//! misread. This version knows none, and writes none.

use serde::Deserialize;

use crate::model::text::{LONGEST_NAME, capped};

/// The features that this version knows.
const KNOWN: [&str; 0] = [];

/// Of so many unknown features each is named.
const MOST_NAMED: usize = 5;

/// The part of a manifest that every version can read.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    requires: Vec<String>,
    generator: Option<Generator>,
}

#[derive(Deserialize)]
struct Generator {
    version: Option<String>,
}

/// Why this version must not read a manifest, with a hint: it requires features that are unknown here.
/// `None` if it requires nothing else, or is no manifest at all.
pub fn unknown(manifest: &[u8]) -> Option<String> {
    let head: Head = serde_json::from_slice(manifest).ok()?;
    let unknown = head.requires.iter().filter(|name| !KNOWN.contains(&name.as_str()));
    let named: Vec<_> =
        unknown.take(MOST_NAMED).map(|name| format!("{:?}", capped(name, LONGEST_NAME))).collect();
    if named.is_empty() {
        return None;
    }
    let version = head.generator.and_then(|generator| generator.version);
    let version = version.map_or_else(String::new, |version| {
        format!(", such as {}, which wrote it", capped(&version, LONGEST_NAME))
    });
    Some(format!(
        "it requires {}, which replay-archiver {} does not know\n\
         hint: install a newer version of replay-archiver{version}; the manifest was left in place [RA809]",
        named.join(", "),
        env!("CARGO_PKG_VERSION"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_requires_what_is_unknown_is_refused_with_the_version_that_wrote_it() {
        let why = unknown(
            br#"{"requires": ["sealed-media"], "generator": {"version": "0.9.0"}, "segments": 7}"#,
        );
        let why = why.unwrap();
        let here = env!("CARGO_PKG_VERSION");
        let told = format!("it requires \"sealed-media\", which replay-archiver {here} does not");
        assert!(why.starts_with(&told) && why.contains("such as 0.9.0, which wrote it"), "{why}");
        let bare = unknown(br#"{"requires": ["x"]}"#).unwrap();
        assert!(
            bare.ends_with("of replay-archiver; the manifest was left in place [RA809]"),
            "{bare}"
        );
    }

    #[test]
    fn a_manifest_that_requires_nothing_is_read() {
        for text in ["{}", r#"{"requires": []}"#, r#"{"requires": "x"}"#, "[]", "", "{\"requires\""]
        {
            assert_eq!(unknown(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_long_list_of_features_is_not_repeated_in_full() {
        let names: Vec<_> =
            (0..10_000).map(|name| format!("{name}{}", "\u{1}".repeat(500))).collect();
        let text = serde_json::json!({ "requires": names }).to_string();
        assert!(unknown(text.as_bytes()).unwrap().len() < 20_000);
    }
}
