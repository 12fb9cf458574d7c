//! What the environment says about output: time zone, terminal and colours.

use jiff::tz::TimeZone;

use super::Environment;
use crate::model::time::beijing;

impl Environment {
    /// The time zone in `TZ`; Beijing if it is unset or unknown to this machine.
    pub fn time_zone(&self) -> TimeZone {
        let name = self.value("TZ").unwrap_or_default().trim().trim_start_matches(':');
        if name.is_empty() {
            return beijing();
        }
        let named = TimeZone::get(name).or_else(|_| TimeZone::posix(name));
        named.unwrap_or_else(|_| beijing())
    }

    /// Whether the terminal can only print lines.
    pub fn is_plain_terminal(&self) -> bool {
        self.value("TERM").is_some_and(|term| term == "dumb")
    }

    /// Whether colours are disabled: <https://no-color.org>.
    pub fn is_without_colour(&self) -> bool {
        self.is_plain_terminal() || self.value("NO_COLOR").is_some_and(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(owned).collect()
    }

    #[test]
    fn a_plain_terminal_gets_lines_without_colours() {
        let shown = |variables: &[(&str, &str)]| {
            let environment = environment(variables);
            (environment.is_plain_terminal(), environment.is_without_colour())
        };
        assert_eq!(shown(&[("TERM", "xterm")]), (false, false));
        assert_eq!(shown(&[("TERM", "dumb")]), (true, true));
        assert_eq!(shown(&[("TERM", "xterm"), ("NO_COLOR", "1")]), (false, true));
        assert_eq!(shown(&[("NO_COLOR", "")]), (false, false));
    }

    #[test]
    fn times_are_in_beijing_time_unless_tz_names_another_zone() {
        let at: jiff::Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let hour = |variables: &[(&str, &str)]| {
            let environment = environment(variables);
            at.to_zoned(environment.time_zone()).hour()
        };
        assert_eq!(hour(&[]), 11);
        for (tz, expected) in [
            ("", 11),
            ("UTC", 3),
            (":UTC", 3),
            ("CST-8", 11),
            ("UTC0", 3),
            ("EST5", 22),
            ("no such", 11),
        ] {
            assert_eq!(hour(&[("TZ", tz)]), expected, "{tz:?}");
        }
    }
}
