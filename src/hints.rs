//! Errors as people read them: the message, its causes, and what can be done about it.
//!
//! An error whose failure a person can act on ends in a line `hint: …`. Wherever in the chain of
//! causes such a line stands, it is shown at the end.

use std::error::Error;
use std::fmt;

/// An error taken apart for showing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explained {
    /// The message and its causes, each said once.
    pub message: String,
    /// What can be done, each said once.
    pub hints: Vec<String>,
}

impl Explained {
    /// Takes an error and its causes apart.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut messages: Vec<String> = Vec::new();
        let mut hints: Vec<String> = Vec::new();
        for cause in std::iter::successors(Some(error), |&error| error.source()) {
            let text = cause.to_string();
            let mut lines = text.split("\nhint: ");
            let message = lines.next().unwrap_or_default();
            if messages.last().is_none_or(|last| !last.ends_with(message)) {
                messages.push(message.to_owned());
            }
            for hint in lines {
                if !hints.iter().any(|known| known == hint) {
                    hints.push(hint.to_owned());
                }
            }
        }
        Self { message: messages.join(": "), hints }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer\nhint: look here")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner\nhint: and there")]
    struct Inner;

    #[test]
    fn hints_stand_at_the_end_wherever_they_came_from() {
        let text = Explained::of(&Outer(Inner)).to_string();
        assert_eq!(text, "outer: inner\nhint: look here\nhint: and there");
    }
}
