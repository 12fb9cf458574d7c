//! The JSON Schemas (draft 2020-12) of the public formats.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{AccountStatus, Catalog, Manifest};

/// The schema of `manifest.json`.
pub fn manifest() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Manifest>().to_value()
}

/// The schema of `catalog.json`.
pub fn catalog() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Catalog>().to_value()
}

/// The schema of `status.json`.
pub fn status() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<AccountStatus>().to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_in_docs_are_those_of_the_types() {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let published = read(include_str!("../../docs/room-manifest.v1.schema.json"));
        assert_eq!(published, manifest(), "`replay-archiver schema` prints what docs should have");
        let published = read(include_str!("../../docs/catalog.v1.schema.json"));
        assert_eq!(published, catalog(), "`replay-archiver schema catalog` prints the other");
        let published = read(include_str!("../../docs/status.v1.schema.json"));
        assert_eq!(published, status(), "`replay-archiver schema status` prints the third");
    }
}
