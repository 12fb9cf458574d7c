//! Lays out text on lines of a given width: tables and paragraphs. Pure: the caller knows the width
//! of the terminal.
//!
//! Widths are terminal columns: Chinese characters and most emoji take two each.

use console::{measure_text_width as width_of, truncate_str};

/// Spaces between two columns of a table.
const GAP: usize = 2;

/// A column of text is not narrowed below this before columns of figures are.
const NARROWEST_TEXT: usize = 8;

/// The minimum width of any column.
const NARROWEST: usize = 3;

/// A table with a rule under its header and none under its rows: figures right-aligned, text
/// left-aligned. If it would be wider than `limit`, its widest texts end in `…`; no word is broken.
pub(super) fn table(header: &[&str], rows: &[Vec<String>], limit: Option<usize>) -> String {
    let columns: Vec<Column> =
        header.iter().enumerate().map(|(n, name)| Column::of(n, name, rows)).collect();
    let columns = fitted(columns, limit);
    let widths = columns.iter().map(|column| column.width).sum::<usize>();
    let rule = "─".repeat(widths + GAP * columns.len().saturating_sub(1));
    let names: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let mut lines = vec![line(&columns, &names), rule];
    lines.extend(rows.iter().map(|row| line(&columns, row)));
    lines.join("\n")
}

/// How a column is laid out.
#[derive(Debug, Clone, Copy)]
struct Column {
    width: usize,
    is_of_figures: bool,
}

impl Column {
    fn of(place: usize, name: &str, rows: &[Vec<String>]) -> Self {
        let cells = || rows.iter().filter_map(|row| row.get(place)).filter(|cell| !cell.is_empty());
        let widest = cells().map(|cell| width_of(cell)).max().unwrap_or(0);
        let is_of_figures = cells().next().is_some() && cells().all(|cell| is_figure(cell));
        Self { width: widest.max(width_of(name)), is_of_figures }
    }
}

/// Whether a cell is a figure: `12`, `3/4`, `1:02:03`, `1.2 GiB`.
fn is_figure(cell: &str) -> bool {
    let number = cell.split_once(' ').map_or(cell, |(number, unit)| {
        if unit.ends_with('B') && unit.len() <= 3 { number } else { cell }
    });
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || "./:".contains(c))
}

/// Narrows the widest text until all columns fit, and figures only if nothing else helps.
fn fitted(mut columns: Vec<Column>, limit: Option<usize>) -> Vec<Column> {
    let gaps = GAP * columns.len().saturating_sub(1);
    let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(gaps));
    while columns.iter().map(|column| column.width).sum::<usize>() > room {
        let yields = |column: &Column| match column.is_of_figures {
            true => 0,
            false => column.width.saturating_sub(NARROWEST_TEXT),
        };
        let widest = columns.iter_mut().max_by_key(|column| (yields(column), column.width));
        match widest.filter(|column| column.width > NARROWEST) {
            Some(column) => column.width -= 1,
            None => break,
        }
    }
    columns
}

fn line(columns: &[Column], cells: &[String]) -> String {
    let mut line = String::new();
    for (column, cell) in columns.iter().zip(cells) {
        let cell = truncate_str(cell, column.width, "…");
        let blank = " ".repeat(column.width.saturating_sub(width_of(&cell)));
        let (before, after) =
            if column.is_of_figures { (blank, String::new()) } else { (String::new(), blank) };
        line.extend([&before, cell.as_ref(), &after, "  "]);
    }
    line.trim_end().to_owned()
}

/// Wraps a line between words if it is wider than `limit`; the following lines are indented by `hang`
/// columns. A word that is wider than a line stays whole, so that URLs can be copied.
pub(super) fn wrapped(text: &str, hang: usize, limit: Option<usize>) -> String {
    let Some(limit) = limit.filter(|limit| width_of(text) > *limit && *limit > hang * 2) else {
        return text.to_owned();
    };
    let (mut done, mut line, mut is_empty) = (String::new(), String::new(), true);
    for word in text.split_inclusive(' ') {
        if !is_empty && width_of(&line) + width_of(word.trim_end()) > limit {
            done.push_str(line.trim_end());
            done.push('\n');
            line = " ".repeat(hang);
            is_empty = true;
        }
        line.push_str(word);
        is_empty &= word.trim().is_empty();
    }
    done + line.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
        cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn a_table_has_one_rule_and_lines_its_figures_up() {
        let rows = rows(&[&["7", "会员日", "3/4", "1.2 GiB"], &["354", "a", "12/12", "900 B"]]);
        let table = table(&["room", "name", "archived", "size"], &rows, None);
        let expected = "\
room  name    archived     size
───────────────────────────────
   7  会员日       3/4  1.2 GiB
 354  a          12/12    900 B";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_table_fits_its_terminal_at_the_cost_of_its_widest_text() {
        let name = "直播间🎉 a very long name of a room that goes on";
        let rows =
            rows(&[&["354", name, "partial", "12/12", "1.2 GiB"], &["1", "", "lost", "", ""]]);
        let header = ["room", "name", "status", "archived", "size"];
        for limit in [200, 80, 60, 45, 40] {
            let table = table(&header, &rows, Some(limit));
            assert!(table.lines().all(|line| width_of(line) <= limit), "{limit}:\n{table}");
            assert_eq!(table.lines().count(), 4, "{limit}:\n{table}");
            assert!(table.contains("1.2 GiB") && table.contains("partial"), "{limit}:\n{table}");
        }
        assert!(super::table(&header, &rows, Some(60)).contains("直播间🎉 a very long name…"));
        let tiny = super::table(&header, &rows, Some(5));
        assert_eq!(tiny.lines().count(), 4, "nothing is too narrow:\n{tiny}");
        assert_eq!(super::table(&["room"], &[], Some(60)), "room\n────");
    }

    #[test]
    fn names_that_are_numbers_in_part_stay_text() {
        assert!(["12", "3/4", "1:02:03", "1.2 GiB", "0 B"].map(is_figure).iter().all(|is| *is));
        assert!(
            !["618大促", "3 rooms", "GiB", "", "2026-11-22 11:00"]
                .map(is_figure)
                .iter()
                .any(|is| *is)
        );
    }

    #[test]
    fn lines_are_broken_between_words_only() {
        let text = "  API calls    12 rooms to look up; 388 calls left today of 500";
        let expected =
            "  API calls    12 rooms to look up; 388\n               calls left today of 500";
        assert_eq!(wrapped(text, 15, Some(42)), expected);
        assert_eq!(wrapped(text, 15, None), text);
        assert_eq!(wrapped(text, 15, Some(20)), text, "too narrow for anything");
        let url = "see https://example.com/a-very-long-path-that-has-no-end at once";
        assert_eq!(
            wrapped(url, 2, Some(20)),
            "see\n  https://example.com/a-very-long-path-that-has-no-end\n  at once"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange_for_a_table(name in "\\PC{0,80}", limit in 0_usize..100) {
            let rows = vec![vec!["12".to_owned(), name]];
            let table = table(&["room", "name"], &rows, Some(limit));
            proptest::prop_assert!(limit < 20 || table.lines().all(|line| width_of(line) <= limit));
            proptest::prop_assert_eq!(table.lines().count(), 3);
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z 直]{0,120}", hang in 0_usize..9, limit in 1_usize..80) {
            let wrapped = wrapped(&text, hang, Some(limit));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            proptest::prop_assert_eq!(words(&wrapped), words(&text));
        }
    }
}
