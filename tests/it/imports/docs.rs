//! What is public says what it is. (The lint of rustc cannot leave fields and variants out, whose names and types
//! often say it already.)

use super::paths::lines_of_sources;

/// What begins the line of an item.
const ITEMS: &[&str] =
    &["async fn", "const", "enum", "fn", "static", "struct", "trait", "type", "union", "unsafe fn"];

#[test]
fn every_public_item_says_what_it_is() {
    let mut silent = Vec::new();
    for (name, lines) in lines_of_sources() {
        let mut is_said = false;
        for (number, line) in (1..).zip(&lines) {
            let line = line.trim();
            if line.starts_with("///") || line.starts_with("#[doc") {
                is_said = true;
            } else if is_public_item(line) && !is_said {
                silent.push(format!("{name}:{number}: {line}"));
            }
            // Attributes may stand between.
            let is_end = line.is_empty() || line.ends_with(['{', '}', ';']);
            is_said &= !is_end || line.starts_with("///") || line.starts_with('#');
        }
    }
    assert!(silent.is_empty(), "public items without a doc comment:\n{}", silent.join("\n"));
}

fn is_public_item(line: &str) -> bool {
    let item = line.strip_prefix("pub ");
    // What a macro makes is documented where it is called.
    item.is_some_and(|item| {
        !item.contains('$') && ITEMS.iter().any(|kind| item.starts_with(&format!("{kind} ")))
    })
}
