//! What was met while text was read, and how it is told.

use std::collections::BTreeMap;

use crate::answers;
use crate::error::Problem;

/// Between documents of one file, as GPT-2's data has it.
pub const END_MARK: &str = "<|endoftext|>";

/// What was met while the text was read.
#[derive(Default)]
pub struct Told {
    pub end_marks: u64,
    pub rows_without_text: u64,
    /// Rows that who labelled them did not accept.
    pub rejected: usize,
    pub bad_rows: u64,
    pub test_rows: u64,
    pub calls: u64,
    pub zeros: u64,
    /// Files by encoding.
    pub encodings: BTreeMap<&'static str, u64>,
}

impl Told {
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.end_marks > 0 {
            let sentence = format!("{END_MARK} was met {} times; a document ends there, and the mark itself is no text", self.end_marks);
            problems.push(Problem::note("end-marks", sentence).counted(self.end_marks));
        }
        if self.rows_without_text > 0 {
            let sentence = format!("{} rows without text are left out", self.rows_without_text);
            problems.push(Problem::warning("empty-row", sentence).counted(self.rows_without_text));
        }
        if self.rejected > 0 {
            problems.push(answers::rejected(self.rejected, ""));
        }
        if self.bad_rows > 0 {
            let sentence = format!("{} rows that cannot be read are left out", self.bad_rows);
            problems.push(Problem::warning("bad-row", sentence).counted(self.bad_rows));
        }
        if self.test_rows > 0 {
            let sentence = format!("training is evaluated on the validation split; {} rows of the test split are left out", self.test_rows);
            problems.push(Problem::note("unused-split", sentence).counted(self.test_rows));
        }
        if self.calls > 0 {
            let sentence =
                format!("{} messages call tools (tool_calls); only the text of messages is written, not their calls", self.calls);
            problems.push(Problem::warning("tool-calls", sentence).counted(self.calls));
        }
        if self.zeros > 0 {
            let sentence = format!(
                "{} zero bytes are in the text, which text has not; they are taken as they are (say what it is written in where that is \
                 UTF-16)",
                self.zeros
            );
            problems.push(Problem::warning("zero-bytes", sentence).counted(self.zeros));
        }
        for (encoding, count) in &self.encodings {
            problems.push(Problem::note("encoding", format!("{count} files are read as {encoding}")).counted(*count));
        }
        problems
    }
}
