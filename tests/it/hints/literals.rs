//! The string literals of a source, as the program has them.

/// The literals in a piece of Rust, in its order.
pub fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(after) = rest.strip_prefix('"') {
            let (text, after) = escaped(after);
            found.push(text);
            rest = after;
        } else if let Some((text, after)) = raw(rest) {
            found.push(text.to_owned());
            rest = after;
        } else if let Some(after) = rest.strip_prefix('\'') {
            rest = after_character(after);
        } else if first.is_alphanumeric() || first == '_' {
            // The r of a word is no beginning of a raw literal.
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let word = end.map_or(rest, |end| &rest[..end]);
            rest = &rest[if word == "br" { 1 } else { word.len() }..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

/// A literal whose quote has been read, and what follows it.
fn escaped(rest: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (text, &rest[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((at, '\n')) => {
                    // The line goes on at the first character of the next.
                    let (more, after) = escaped(rest[at..].trim_start());
                    return (text + &more, after);
                }
                Some((_, c)) => text.push(c),
                None => {}
            },
            c => text.push(c),
        }
    }
    panic!("a literal has no end: {text}");
}

/// A raw literal at the beginning, and what follows it.
fn raw(rest: &str) -> Option<(&str, &str)> {
    let after = rest.strip_prefix('r')?;
    let hashes = &after[..after.find(|c| c != '#')?];
    let after = after[hashes.len()..].strip_prefix('"')?;
    after.split_once(&format!("\"{hashes}"))
}

/// What follows a character whose quote has been read, or the quote of a lifetime.
fn after_character(rest: &str) -> &str {
    let mut characters = rest.char_indices();
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = &rest[at + escaped.len_utf8()..];
            after.split_once('\'').map_or("", |(_, after)| after)
        }
        (Some(_), Some((at, '\''))) => &rest[at + 1..],
        _ => rest,
    }
}
