//! The JSON Schemas (draft 2020-12) of the public formats.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{Catalog, Manifest};

/// The schema of `manifest.json`.
pub fn manifest() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Manifest>().to_value()
}

/// The schema of `catalog.json`.
pub fn catalog() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Catalog>().to_value()
}
