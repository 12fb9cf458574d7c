//! Why something failed, as people read it: the message with its causes, and what can be done about it.
//!
//! An error on which a person can act says so at the end of its text, in lines `hint: … [RA204]`. They are taken
//! apart here and nowhere else: from here on hints are data. The code stands for the kind of trouble, and
//! `docs/troubleshooting.md` has an entry for it; a code keeps its meaning in every later version.

use std::error::Error;
use std::fmt;

use serde::{Serialize, Serializer};

use super::text::{LONGEST_REASON, capped};

/// What stands before each hint in a text.
const MARK: &str = "\nhint: ";

/// Of so many hints at most each is kept.
const MOST_HINTS: usize = 4;

/// Why something failed, and what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reason {
    /// The message and its causes, each said once.
    pub message: String,
    /// What can be done, each said once.
    pub hints: Vec<String>,
}

impl Reason {
    /// Takes an error and its causes apart.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut messages: Vec<String> = Vec::new();
        let mut hints: Vec<String> = Vec::new();
        for cause in std::iter::successors(Some(error), |&error| error.source()) {
            let Self { message, hints: its } = Self::parse(&cause.to_string());
            if messages.last().is_none_or(|last| !last.ends_with(&message)) {
                messages.push(message);
            }
            for hint in its {
                if !hints.contains(&hint) {
                    hints.push(hint);
                }
            }
        }
        Self { message: messages.join(": "), hints }
    }

    /// Reads a text in the form that [`fmt::Display`] gives.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split(MARK).map(str::to_owned);
        Self { message: parts.next().unwrap_or_default(), hints: parts.collect() }
    }

    /// The code of a hint, such as `RA204`, if it has one.
    pub fn code(hint: &str) -> Option<&str> {
        coded(hint).map(|(_, code)| code)
    }

    /// The same with another message, which is made of this one's.
    #[must_use]
    pub fn saying(self, message: impl FnOnce(&str) -> String) -> Self {
        Self { message: message(&self.message), ..self }
    }

    /// As much of it as is kept.
    #[must_use]
    pub fn capped(&self) -> Self {
        let hints = self.hints.iter().take(MOST_HINTS).map(|hint| capped_hint(hint)).collect();
        Self { message: capped(&self.message, LONGEST_REASON), hints }
    }
}

/// Splits a hint into its text and its code, such as `RA204`. `None` for a hint without one, which is of a version
/// before there were codes.
fn coded(hint: &str) -> Option<(&str, &str)> {
    let (text, code) = hint.strip_suffix(']')?.rsplit_once(" [")?;
    let number = code.strip_prefix("RA")?;
    let is_code = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_code.then_some((text, code))
}

/// A hint with as much of its text as is kept, and with its code.
fn capped_hint(hint: &str) -> String {
    match coded(hint) {
        Some((text, code)) => format!("{} [{code}]", capped(text, LONGEST_REASON)),
        None => capped(hint, LONGEST_REASON),
    }
}

/// A message without hints.
impl From<String> for Reason {
    fn from(message: String) -> Self {
        Self { message, hints: Vec::new() }
    }
}

/// A message without hints.
impl From<&str> for Reason {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "{MARK}{hint}"))
    }
}

/// As people read it: the JSON of the command line has a reason as one text.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
        let reason = Reason::of(&Outer(Inner));
        assert_eq!(reason.message, "outer: inner");
        assert_eq!(reason.to_string(), "outer: inner\nhint: look here\nhint: and there");
        assert_eq!(Reason::parse(&reason.to_string()), reason);
        let said = reason.saying(|why| format!("it is lost: {why}")).to_string();
        assert_eq!(said, "it is lost: outer: inner\nhint: look here\nhint: and there");
    }

    #[test]
    fn what_is_kept_has_a_bound_and_its_hints() {
        let hints = vec!["look here".to_owned(); 100_000];
        let kept = Reason { message: "直".repeat(5_000), hints }.capped();
        assert!(kept.to_string().len() < 700 && kept.message.ends_with('…'), "{kept}");
        assert_eq!(kept.hints, ["look here"; 4]);
    }

    #[test]
    fn a_hint_that_is_cut_keeps_its_code() {
        let long = "直".repeat(5_000);
        for (end, kept) in
            [(" [RA204]", "… [RA204]"), ("[RA204]", "…"), (" [RA20]", "…"), ("", "…")]
        {
            let hints = vec![format!("{long}{end}")];
            let capped = Reason { message: String::new(), hints }.capped();
            let [hint] = &capped.hints[..] else { panic!("{capped:?}") };
            assert!(hint.ends_with(&format!("直{kept}")) && hint.len() < 520, "{hint}");
        }
        let short = Reason::parse("it failed\nhint: look here [RA204]");
        assert_eq!(short.capped(), short);
    }
}
