//! `docs/bucket-format.md`: its examples are valid by the published schemas, and its tables of fields are those
//! of the schemas.

use std::fmt::Write as _;

use replay_archiver::model::schema;
use serde_json::Value;

use super::{blocks, check_generated, page};

const PAGE: &str = "docs/bucket-format.md";
/// The same in Chinese, with an example of the manifest.
const IN_CHINESE: &str = "docs/zh/bucket-format.md";

/// The published files and their schemas.
fn published() -> [(&'static str, Value); 3] {
    [("manifest", schema::manifest()), ("catalog", schema::catalog()), ("status", schema::status())]
}

/// JSON whose lines may end in a comment.
fn parsed(text: &str) -> Value {
    let lines = text.lines().map(|line| line.split("  //").next().unwrap_or_default());
    let plain = lines.collect::<Vec<_>>().join("\n");
    serde_json::from_str(&plain).unwrap_or_else(|error| panic!("{error}: {plain}"))
}

#[test]
fn the_examples_of_the_published_files_are_valid() {
    let text = page(PAGE);
    let in_chinese = std::fs::read_to_string(super::file(IN_CHINESE)).unwrap_or_default();
    for (file, schema) in published() {
        let marker = format!("example of the {file}");
        let examples = blocks(&text, &marker);
        assert!(!examples.is_empty(), "{PAGE} has no {file}");
        for (_, example) in examples.iter().chain(&blocks(&in_chinese, &marker)) {
            let example = parsed(example);
            jsonschema::validate(&schema, &example)
                .unwrap_or_else(|error| panic!("{file}: {error} at {}", error.instance_path()));
        }
    }
}

/// The fields of a schema and of what is within it, as tables.
fn tables(schema: &Value) -> String {
    let inner = schema["$defs"].as_object().into_iter().flatten();
    let (outer, mut tables) = (String::new(), String::new());
    for (name, object) in std::iter::once((&outer, schema)).chain(inner) {
        let Some(fields) = object["properties"].as_object() else { continue };
        let always: Vec<_> = object["required"].as_array().into_iter().flatten().collect();
        if !name.is_empty() {
            write!(tables, "\n**{name}**\n").unwrap();
        }
        tables.push_str("\n| field | always there | |\n|---|---|---|\n");
        for (field, told) in fields {
            let is_always = always.iter().any(|required| *required == field);
            let text = told["description"].as_str().unwrap_or_default();
            let text = text.replace('\n', " ").replace('|', "\\|");
            writeln!(tables, "| `{field}` | {} | {text} |", if is_always { "yes" } else { "" })
                .unwrap();
        }
    }
    tables
}

#[test]
fn the_tables_of_fields_are_those_of_the_schemas() {
    let mut expected = page(PAGE);
    for (file, schema) in published() {
        let begin = format!("<!-- fields of the {file}, generated -->\n");
        let (head, rest) = expected.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
        let (_, tail) = rest.split_once("<!-- end -->\n").expect("the tables end");
        expected = format!("{head}{begin}{}\n<!-- end -->\n{tail}", tables(&schema));
    }
    check_generated(PAGE, &expected);
}
