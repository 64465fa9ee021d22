//! The column in which who labelled the rows accepts, rejects or ignores each, as Prodigy writes it.

use std::collections::HashSet;

use crate::column_splits::plain_name;
use crate::error::Problem;
use crate::table::Row;

const ACCEPT: &str = "accept";

/// By its name and the first rows.
pub fn column(columns: &[String], rows: &[Row]) -> Option<usize> {
    let column = columns.iter().position(|name| plain_name(name) == "answer")?;
    let mut values = rows.iter().filter_map(|row| row[column].as_deref());
    let is_answer = |text: &str| [ACCEPT, "reject", "ignore"].contains(&text);
    (values.clone().any(|text| text == ACCEPT) && values.all(is_answer)).then_some(column)
}

/// The column that says of an image, for each of several labels, whether it is there: 1 or 0, as Open Images does. `images`: the column of
/// images.
pub fn presence(columns: &[String], rows: &[Row], images: usize) -> Option<usize> {
    let column = columns.iter().position(|name| plain_name(name) == "confidence")?;
    let values = || rows.iter().filter_map(|row| row[column].as_deref());
    let is_absent = |text: &str| ["0", "0.0"].contains(&text.trim());
    let mut seen = HashSet::new();
    let repeats = || rows.iter().any(|row| !seen.insert(&row[images]));
    (values().any(is_absent) && values().all(|text| is_absent(text) || is_accepted(Some(text))) && { repeats }()).then_some(column)
}

pub fn is_accepted(answer: Option<&str>) -> bool {
    answer.is_some_and(|answer| [ACCEPT, "1", "1.0"].contains(&answer.trim()))
}

/// What is said of the others. `of`: the end of a sentence's subject, such as " of a.csv".
pub fn rejected(count: usize, of: &str) -> Problem {
    let sentence = format!("{count} rows{of} were not accepted by who labelled them, or say that a label is absent, and are left out");
    Problem::note("rejected-rows", sentence).counted(count as u64)
}
