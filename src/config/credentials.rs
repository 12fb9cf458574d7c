//! The credentials that systemd passes to a service (`LoadCredential=`): files in a folder that only the environment
//! names, because each service has one of its own.

use std::borrow::Cow;
use std::path::Path;

use super::{ConfigError, Environment};

/// The variable with the folder.
const VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// How the path of a credential begins.
const PREFIXES: [&str; 2] = ["$CREDENTIALS_DIRECTORY", "${CREDENTIALS_DIRECTORY}"];

impl Environment {
    /// The file that the key at `path` names: a leading `$CREDENTIALS_DIRECTORY/` becomes the folder of the
    /// credentials.
    ///
    /// # Errors
    /// If there are no credentials.
    pub(super) fn file<'a>(
        &self,
        named: &'a Path,
        path: &str,
    ) -> Result<Cow<'a, Path>, ConfigError> {
        let credential = PREFIXES.iter().find_map(|prefix| named.strip_prefix(prefix).ok());
        let Some(credential) = credential else { return Ok(named.into()) };
        let folder = self.chosen(|name| name == VARIABLE).pop();
        let folder = folder.map(|(_, folder)| folder).filter(|folder| !folder.is_empty());
        let folder = folder.ok_or_else(|| {
            ConfigError::at(
                path,
                "the environment variable CREDENTIALS_DIRECTORY is not set\n\
                 hint: systemd sets it for a service that has LoadCredential=; elsewhere, set it to the \
                 folder that holds the file [RA106]",
            )
        })?;
        Ok(Path::new(&folder).join(credential).into())
    }
}

/// A `hint:` line about a file that cannot be read and should hold `what`: as the configuration names it, and where it is.
pub(super) fn hint(named: &Path, file: &Path, what: &str) -> String {
    if file != named {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        return format!(
            "\nhint: the service needs LoadCredential={name}:PATH, the file that holds {what} [RA106]"
        );
    }
    let is_variable = named.to_string_lossy().starts_with('$');
    let expanded = if is_variable {
        "; of all variables, only $CREDENTIALS_DIRECTORY is expanded"
    } else {
        ""
    };
    format!("\nhint: expected the path of a file that holds {what}{expanded} [RA105]")
}
