//! The column in which who labelled the rows accepts, rejects or ignores each, as Prodigy writes it.

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

pub fn is_accepted(answer: Option<&str>) -> bool {
    answer == Some(ACCEPT)
}

/// What is said of the others. `of`: the end of a sentence's subject, such as " of a.csv".
pub fn rejected(count: usize, of: &str) -> Problem {
    let sentence = format!("{count} rows{of} were not accepted by who labelled them, and are left out");
    Problem::note("rejected-rows", sentence).counted(count as u64)
}
