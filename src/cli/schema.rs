//! `schema`: the JSON Schemas of the published files, and the description of the API.

use clap::{Args, ValueEnum};

use super::{Exit, output};
use crate::model::schema;
use crate::serve::api::openapi;

/// Flags of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// The file to print the schema of.
    #[arg(value_enum, default_value_t = File::Manifest)]
    file: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum File {
    Manifest,
    Catalog,
    Status,
    /// The description of the API of `serve` (OpenAPI 3.1).
    Openapi,
}

pub(super) fn run(arguments: &SchemaArguments) -> Exit {
    let schema = match arguments.file {
        File::Manifest => schema::manifest(),
        File::Catalog => schema::catalog(),
        File::Status => schema::status(),
        File::Openapi => openapi::document(),
    };
    output::line(format_args!("{schema:#}"));
    Exit::Done
}
