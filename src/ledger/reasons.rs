//! A reason as two columns: its message, and its hints as a JSON array.

use super::{Error, from_json, to_json};
use crate::model::Reason;

#[derive(Debug, Default)]
pub(super) struct Columns {
    pub message: Option<String>,
    pub hints: Option<String>,
}

impl Columns {
    pub(super) fn of(reason: Option<&Reason>) -> Result<Self, Error> {
        let Some(Reason { message, hints }) = reason.map(Reason::capped) else {
            return Ok(Self::default());
        };
        Ok(Self { message: Some(message), hints: Some(to_json(&hints, "hints")?) })
    }

    /// In rows of earlier versions the hints are the end of the message.
    pub(super) fn read(self) -> Result<Option<Reason>, Error> {
        let Some(message) = self.message else { return Ok(None) };
        let Some(hints) = self.hints else { return Ok(Some(Reason::parse(&message))) };
        Ok(Some(Reason { message, hints: from_json(&hints, "hints")? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_comes_back_as_it_was_and_so_does_that_of_an_earlier_version() {
        let hints = vec!["look here".to_owned(), "and there".to_owned()];
        for reason in [
            Reason { message: "it failed".into(), hints },
            Reason::from("it failed"),
            Reason::from("what WeChat says\nhint: is no hint"),
        ] {
            let written = Columns::of(Some(&reason)).unwrap();
            assert_eq!(written.read().unwrap(), Some(reason));
        }
        let message = Some("it failed\nhint: look here".to_owned());
        let old = Columns { message, hints: None }.read().unwrap().unwrap();
        assert_eq!((old.message.as_str(), old.hints), ("it failed", vec!["look here".to_owned()]));
        assert_eq!(Columns::of(None).unwrap().read().unwrap(), None);
    }
}
