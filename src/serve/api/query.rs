//! What a request for rooms asks for. Pure.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use url::form_urlencoded;

use crate::archive::index::{Cursor, Order};
use crate::archive::search::Query;
use crate::model::RoomStatus;
use crate::model::time::beijing_midnight;
use crate::serve::problem::Problem;

/// Rooms on a page, unless asked for another number.
pub(super) const USUAL: usize = 50;

/// The most rooms on a page.
pub(super) const MOST: usize = 200;

/// The longest text to search for, in bytes, and the most words of it.
const LONGEST: usize = 300;
const MOST_WORDS: usize = 16;

/// Which rooms are asked for.
#[derive(Debug)]
pub(in crate::serve) struct Asked {
    pub query: Query,
    pub order: Order,
    pub after: Option<Cursor>,
    pub limit: usize,
}

impl Asked {
    /// Reads a query; parameters that are not known are ignored.
    ///
    /// # Errors
    /// If a value is not one of its parameter.
    pub(in crate::serve) fn parse(query: &str) -> Result<Self, Problem> {
        let (mut words, mut from, mut to, mut statuses) = (String::new(), None, None, Vec::new());
        let (mut order, mut after, mut limit) = (Order::Newest, None, USUAL);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.as_ref();
            match name.as_ref() {
                "q" => value.clone_into(&mut words),
                _ if value.is_empty() => {}
                "from" => from = Some(midnight(day("from", value)?, "from")?),
                "to" => to = Some(midnight(next(day("to", value)?)?, "to")?),
                "status" => statuses = statuses_of(value)?,
                "order" => order = parse_order(value)?,
                "cursor" => after = Some(parsed("cursor", value, "a next_cursor of this API")?),
                "limit" => limit = parse_limit(value)?,
                _ => {}
            }
        }
        let words = words_of(&words)?;
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Problem::bad("from is later than to"));
        }
        let mut query = Query::for_words(&words);
        (query.from, query.before, query.statuses) = (from, to, statuses);
        Ok(Self { query, order, after, limit })
    }
}

fn words_of(text: &str) -> Result<Vec<String>, Problem> {
    let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    if text.len() > LONGEST || words.len() > MOST_WORDS {
        let detail = format!("q has more than {LONGEST} bytes or {MOST_WORDS} words");
        return Err(Problem::bad(detail));
    }
    Ok(words)
}

fn parsed<T: FromStr>(name: &str, value: &str, expected: &str) -> Result<T, Problem> {
    let shown: String = value.chars().take(80).collect();
    value.parse().map_err(|_| Problem::bad(format!("{name}: {shown:?} is not {expected}")))
}

fn day(name: &str, value: &str) -> Result<Date, Problem> {
    parsed(name, value, "a day such as 2026-01-31")
}

fn next(day: Date) -> Result<Date, Problem> {
    day.tomorrow().map_err(|_| Problem::bad(format!("to: {day} is too late")))
}

/// When a day begins in Beijing.
fn midnight(day: Date, name: &str) -> Result<Timestamp, Problem> {
    beijing_midnight(day)
        .map_err(|_| Problem::bad(format!("{name}: {day} is too early or too late")))
}

/// The statuses of a list, each of them once: every room is compared with all.
fn statuses_of(value: &str) -> Result<Vec<Option<RoomStatus>>, Problem> {
    let mut statuses = Vec::new();
    for name in value.split(',') {
        let status = status(name)?;
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    }
    Ok(statuses)
}

fn status(value: &str) -> Result<Option<RoomStatus>, Problem> {
    Ok(match value {
        "complete" => Some(RoomStatus::Complete),
        "partial" => Some(RoomStatus::Partial),
        "lost" => Some(RoomStatus::Lost),
        "empty" => Some(RoomStatus::Empty),
        "none" => None,
        _ => {
            let shown: String = value.chars().take(80).collect();
            let expected = "complete, partial, lost, empty or none";
            return Err(Problem::bad(format!("status: {shown:?} is not {expected}")));
        }
    })
}

fn parse_order(value: &str) -> Result<Order, Problem> {
    match value {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err(Problem::bad("order is either newest or oldest")),
    }
}

fn parse_limit(value: &str) -> Result<usize, Problem> {
    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Problem::bad(format!("limit is a number from 1 to {MOST}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_is_read_and_its_days_are_those_of_beijing() {
        let asked = Asked::parse(
            "q=%E7%9B%B4+A&from=2026-11-22&to=2026-11-22&status=complete,none&order=oldest\
             &limit=7&cursor=5.354&utm_source=x",
        )
        .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().ok();
        assert_eq!(asked.query.from, at("2026-11-21T16:00:00Z"));
        assert_eq!(asked.query.before, at("2026-11-22T16:00:00Z"));
        assert_eq!(asked.query.statuses, [Some(RoomStatus::Complete), None]);
        assert_eq!((asked.order, asked.limit), (Order::Oldest, 7));
        assert_eq!(asked.after.map(|cursor| cursor.to_string()).as_deref(), Some("5.354"));
        let plain = Asked::parse("q=&from=&to=&status=&order=&limit=&cursor=").unwrap();
        assert_eq!((plain.order, plain.limit, plain.after), (Order::Newest, 50, None));
        assert_eq!((plain.query.from, plain.query.statuses.len()), (None, 0));
        let often = Asked::parse(&format!("status=lost{}", ",none,lost".repeat(2_000))).unwrap();
        assert_eq!(often.query.statuses, [Some(RoomStatus::Lost), None]);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name() {
        for (query, name) in [
            ("from=yesterday", "from"),
            ("to=2026-02-30", "to"),
            ("to=9999-12-31", "to"),
            ("from=-009999-01-01", "from"),
            ("from=2026-11-23&to=2026-11-22", "from"),
            ("status=complete,done", "status"),
            ("order=random", "order"),
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("cursor=x", "cursor"),
            (&format!("q={}", "a".repeat(301)), "q"),
            (&format!("q={}", "a+".repeat(17)), "q"),
        ] {
            let problem = Asked::parse(query).unwrap_err();
            assert!(problem.status == 400 && problem.detail.contains(name), "{query}: {problem:?}");
        }
    }

    proptest! {
        #[test]
        fn no_query_does_harm(query in ".{0,200}") {
            let _ = Asked::parse(&query);
        }
    }
}
