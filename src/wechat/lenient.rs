//! Parses JSON as WeChat writes it: sloppily.
//!
//! Numbers arrive as text, optional fields with other types, names with half a character. None of it may
//! cost a page of rooms: an unreadable field counts as missing.

use serde_json::{Map, Value};

/// The fields of a JSON object.
pub(super) type Object = Map<String, Value>;

/// The most values in a body. A page of 50 rooms with 200 goods each has less than half as many. Each
/// takes some 120 bytes of memory, however few bytes it takes in the body.
const MAX_VALUES: usize = 250_000;

/// The most objects among them; that page has ten thousand. Each takes a kilobyte of memory.
const MAX_OBJECTS: usize = 25_000;

/// Parses a body of any content type. Tolerates a byte order mark, invalid UTF-8, raw control characters
/// and unpaired surrogates in text, but not a truncated body.
///
/// Refuses a body of more than [`MAX_VALUES`] values or [`MAX_OBJECTS`] objects, or nested more than 128
/// deep.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    // Also counts characters within text, which does no harm.
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    let objects = body.iter().filter(|byte| **byte == b'{').count();
    if values > MAX_VALUES || objects > MAX_OBJECTS {
        return None;
    }
    serde_json::from_slice(body).ok().or_else(|| serde_json::from_str(&repaired(body)).ok())
}

/// Replaces what serde rightly refuses with spaces and replacement characters.
fn repaired(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text
        .trim_start_matches('\u{feff}')
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    without_half_pairs(&text)
}

/// Replaces `\ud83d` and the like with `\ufffd` if the other half of the pair is missing, as when a name
/// was cut to a number of UTF-16 units.
fn without_half_pairs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let escape = match surrogate(after) {
            Some(0xD800..=0xDBFF) if is_low(after.get(5..)) => after.get(..11),
            Some(_) => {
                out.push_str("\\ufffd");
                rest = after.get(5..).unwrap_or_default();
                continue;
            }
            // Another escape. Skips its character as well, so that `\\u` is not taken for the start of
            // one.
            None => after.chars().next().and_then(|c| after.get(..c.len_utf8())),
        }
        .unwrap_or_default();
        out.push('\\');
        out.push_str(escape);
        rest = after.get(escape.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The surrogate that `uXXXX` at the start of `text` denotes.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|unit| (0xD800..=0xDFFF).contains(unit))
}

fn is_low(text: Option<&str>) -> bool {
    let next = text.and_then(|text| text.strip_prefix('\\')).and_then(surrogate);
    matches!(next, Some(0xDC00..=0xDFFF))
}

/// The field as an integer, from a number or text.
pub(super) fn int(fields: &Object, key: &str) -> Option<i64> {
    match fields.get(key)? {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => written(text.trim()),
        _ => None,
    }
}

/// `211200`, `211200.0` and `211200.00` → 211200. `None` for more zeros than a currency has decimals,
/// because the point could separate thousands.
fn written(text: &str) -> Option<i64> {
    let digits = match text.split_once('.') {
        Some((digits, zeros)) => {
            let is_whole = matches!(zeros, "0" | "00");
            is_whole.then_some(digits)?
        }
        None => text,
    };
    digits.parse().ok()
}

/// `211200.0` → 211200. `None` beyond the integers that a float represents exactly.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.trunc() == number && number.abs() <= EXACT).then_some(number as i64)
}

/// The field as a count: an integer from 0.
pub(super) fn count(fields: &Object, key: &str) -> Option<u64> {
    int(fields, key).and_then(|number| number.try_into().ok())
}

/// The field as text.
pub(super) fn text<'a>(fields: &'a Object, key: &str) -> Option<&'a str> {
    fields.get(key)?.as_str()
}

/// The field as text, unless blank.
pub(super) fn filled_text<'a>(fields: &'a Object, key: &str) -> Option<&'a str> {
    text(fields, key).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object {
        match parse(json.as_bytes()) {
            Some(Value::Object(fields)) => fields,
            other => panic!("{json} became {other:?}"),
        }
    }

    #[test]
    fn numbers_are_read_from_numbers_and_text() {
        let table = [
            ("103", Some(103)),
            ("\" 103 \"", Some(103)),
            ("103.0", Some(103)),
            ("1.03e2", Some(103)),
            ("-1", Some(-1)),
            ("103.5", None),
            ("1e300", None),
            ("18446744073709551615", None),
            ("\"\"", None),
            ("true", None),
            ("null", None),
            ("[103]", None),
        ];
        for (json, expected) in table {
            assert_eq!(int(&object(&format!(r#"{{"n":{json}}}"#)), "n"), expected, "{json}");
        }
    }

    #[test]
    fn integers_are_read_from_text_with_a_decimal_point() {
        let table = [
            ("211200", Some(211_200)),
            ("211200.0", Some(211_200)),
            ("\"211200\"", Some(211_200)),
            ("\"2112.00\"", Some(2112)),
            ("\" 0.0 \"", Some(0)),
            ("\"-5.0\"", Some(-5)),
            ("\"2112.50\"", None),
            ("\"2112.\"", None),
            ("\".00\"", None),
            ("\"2,112.00\"", None),
            ("\"2 112\"", None),
            ("\"1.0.0\"", None),
            ("\"2.000\"", None),
            ("\"2112.00元\"", None),
            ("\"2e3\"", None),
            ("\"99999999999999999999.0\"", None),
            ("null", None),
        ];
        for (json, expected) in table {
            assert_eq!(int(&object(&format!(r#"{{"n":{json}}}"#)), "n"), expected, "{json}");
        }
    }

    #[test]
    fn damaged_text_is_read() {
        let read = |body: &[u8]| Some(parse(body)?.get("a")?.as_str()?.to_owned());
        let table: [(&[u8], &str); 8] = [
            (b"\xef\xbb\xbf{\"a\":\"bom\"}", "bom"),
            (b"{\"a\":\"\xe5\xbe\"}", "\u{fffd}"),
            (b"{\"a\":\"x\ny\"}", "x y"),
            (br#"{"a":"x\ud83d"}"#, "x\u{fffd}"),
            (br#"{"a":"\ude00\ud83dz"}"#, "\u{fffd}\u{fffd}z"),
            (br#"{"a":"\ud83d\ud83d\ude00"}"#, "\u{fffd}\u{1f600}"),
            (br#"{"a":"\\ud83d\ud83d"}"#, "\\ud83d\u{fffd}"),
            (b"{\"a\":\"\\\"\t\"}", "\" "),
        ];
        for (body, expected) in table {
            assert_eq!(read(body).as_deref(), Some(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_truncated_body_is_refused() {
        for body in [r#"{"a":1,"b"#, "", "<html>", r#"{"a":"x"#, "{\"a\":\"\\", "{\"a\":\"\\ud8"] {
            assert_eq!(parse(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn bodies_that_expand_in_memory_are_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(deep.as_bytes()), None);
        let nested = format!("{}1{}", "{\"a\":".repeat(129), "}".repeat(129));
        assert_eq!(parse(nested.as_bytes()), None);
        let wide = format!("{{\"a\":[0{}]}}", ",0".repeat(MAX_VALUES));
        assert_eq!(parse(wide.as_bytes()), None);
        let full = format!("{{\"a\":[0{}]}}", ",{}".repeat(MAX_OBJECTS));
        assert_eq!(parse(full.as_bytes()), None);
        let real = format!("{{\"a\":[0{}]}}", ",0".repeat(100_000));
        assert!(parse(real.as_bytes()).is_some());
    }

    proptest::proptest! {
        #[test]
        fn every_json_text_survives_the_repair(text in "\\PC*") {
            let json = serde_json::to_string(&text).unwrap();
            proptest::prop_assert_eq!(repaired(json.as_bytes()), json);
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = parse(&body);
        }
    }
}
