//! Rows of tables as documents: a column of text, or several in a plain template, one for each kind of data:
//!
//! - chats (`messages` of role and content, `conversations` of from and value): `<|im_start|>ROLE\nCONTENT<|im_end|>\n` for each message
//! - instructions: `### Instruction:\n...\n\n### Input:\n...\n\n### Response:\n...`, without the input where a row has none
//! - questions: `Question: ...\nAnswer: ...`
//! - prompts: the prompt, and behind it the completion as it is

use serde_json::Value;

use crate::error::{Place, Problem, Result};
use crate::json_rows;
use crate::options::Options;
use crate::sniff::What;
use crate::table::{self, Shape};
use crate::text::until_enough;
use crate::tree::{Entry, Tree};

pub const TEXT_COLUMNS: [&str; 8] = ["text", "content", "document", "body", "sentence", "story", "article", "markdown"];
const CHATS: [&str; 4] = ["messages", "conversations", "conversation", "dialogue"];
const ANSWERS: [&str; 4] = ["output", "response", "completion", "answer"];

/// Rows that show what the columns of a file of JSON are.
const SHOWN: usize = 50;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Chat,
    /// Numbers, lists, or nothing.
    Other,
}

/// Columns by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Template {
    Column(usize),
    Chat(usize),
    Instruction { instruction: usize, input: Option<usize>, answer: usize },
    Question { question: usize, answer: usize },
    Prompt { prompt: usize, completion: usize },
}

enum Source {
    Csv(Shape),
    /// One object per line, else an array.
    Json {
        are_lines: bool,
    },
}

/// A table whose rows are documents.
pub struct Rows {
    source: Source,
    pub columns: Vec<String>,
    holds: Vec<Holds>,
    template: Template,
}

impl Rows {
    pub fn open(tree: &Tree, entry: &Entry, what: &What, options: &Options) -> Result<Self> {
        let (source, columns, holds) = if *what == What::Csv {
            let shape = table::shape(tree, entry, false)?;
            let columns = shape.columns.clone();
            let holds = vec![Holds::Text; columns.len()];
            (Source::Csv(shape), columns, holds)
        } else {
            // A file of one line may be one object around its rows.
            let are_lines = *what == What::JsonLines && !(entry.extension() == "json" && json_rows::has_rows(tree, entry));
            let (columns, holds) = columns(tree, entry, are_lines)?;
            (Source::Json { are_lines }, columns, holds)
        };
        let mut rows = Self { source, columns, holds, template: Template::Column(0) };
        rows.template = rows.choose(tree, entry, options)?;
        Ok(rows)
    }

    fn choose(&self, tree: &Tree, entry: &Entry, options: &Options) -> Result<Template> {
        let index = |name: &str| self.columns.iter().position(|column| column.to_lowercase().replace([' ', '-'], "_") == name);
        let text = |name: &str| index(name).filter(|at| self.holds[*at] == Holds::Text);
        let first = |names: &[&str]| names.iter().find_map(|name| text(name));
        let as_column = |at: usize| if self.holds[at] == Holds::Chat { Template::Chat(at) } else { Template::Column(at) };
        if let Some(chosen) = &options.text_column {
            let found = self.columns.iter().position(|column| column == chosen);
            return found.map_or_else(|| self.asked(tree, entry, &[]), |at| Ok(as_column(at)));
        }
        let usual: Vec<usize> = TEXT_COLUMNS.iter().filter_map(|name| text(name)).collect();
        let chats: Vec<usize> = CHATS.iter().filter_map(|name| index(name)).filter(|at| self.holds[*at] == Holds::Chat).collect();
        let all_chats: Vec<usize> = (0..self.holds.len()).filter(|at| self.holds[*at] == Holds::Chat).collect();
        match (&usual[..], &chats[..], &all_chats[..]) {
            ([one], [], _) => return Ok(Template::Column(*one)),
            ([], [one], _) | ([], [], [one]) => return Ok(Template::Chat(*one)),
            ([], [], []) => {}
            ([], [], _) => return self.asked(tree, entry, &all_chats),
            _ => return self.asked(tree, entry, &[usual, chats].concat()),
        }
        if let (Some(instruction), Some(answer)) = (text("instruction"), first(&ANSWERS)) {
            return Ok(Template::Instruction { instruction, input: first(&["input", "context"]), answer });
        }
        if let (Some(question), Some(answer)) = (text("question"), first(&["answer", "response", "output"])) {
            return Ok(Template::Question { question, answer });
        }
        if let (Some(prompt), Some(completion)) = (text("prompt"), first(&ANSWERS)) {
            return Ok(Template::Prompt { prompt, completion });
        }
        match self.columns.len() {
            1 if self.holds[0] != Holds::Other => Ok(as_column(0)),
            _ => self.asked(tree, entry, &[]),
        }
    }

    /// Which column is the text: of those that may be, else of all that hold text.
    fn asked<T>(&self, tree: &Tree, entry: &Entry, several: &[usize]) -> Result<T> {
        let file = tree.display(entry);
        let named = |columns: &[usize]| columns.iter().map(|at| self.columns[*at].as_str()).collect::<Vec<_>>().join(", ");
        let (code, sentence, offered) = if several.is_empty() {
            let texts: Vec<usize> = (0..self.columns.len()).filter(|at| self.holds[*at] != Holds::Other).collect();
            let there =
                if self.columns.is_empty() { "there are no columns".into() } else { format!("there are {}", self.columns.join(", ")) };
            ("no-column", format!("{file} has no column of text that is known by its name; {there}"), texts)
        } else {
            let sentence = format!("{file} has several columns of text, {}; say which is the text", named(several));
            ("several-columns", sentence, several.to_vec())
        };
        let offer = |problem: Problem, at: &usize| {
            let name = &self.columns[*at];
            problem.with("choose", format!("Take {name}"), Options { text_column: Some(name.clone()), ..Options::default() })
        };
        Err(offered.iter().take(12).fold(Problem::error(code, sentence).at(Place::file(file)), offer).into())
    }

    /// Columns that are used, and as what.
    pub fn used(&self) -> Vec<(&str, &str)> {
        let parts: Vec<(usize, &str)> = match self.template {
            Template::Column(at) => vec![(at, "text")],
            Template::Chat(at) => vec![(at, "messages")],
            Template::Instruction { instruction, input, answer } => {
                let input = input.map(|input| (input, "inputs"));
                [Some((instruction, "instructions")), input, Some((answer, "answers"))].into_iter().flatten().collect()
            }
            Template::Question { question, answer } => vec![(question, "questions"), (answer, "answers")],
            Template::Prompt { prompt, completion } => vec![(prompt, "prompts"), (completion, "completions")],
        };
        parts.into_iter().map(|(at, what)| (self.columns[at].as_str(), what)).collect()
    }

    /// How rows are written, where that is more than a column.
    pub fn note(&self) -> Option<Problem> {
        let sentence = match self.template {
            Template::Column(_) => return None,
            Template::Chat(at) => {
                format!("every message of {} is written as <|im_start|>ROLE, a new line, its text and <|im_end|>", self.columns[at])
            }
            Template::Instruction { input, .. } => {
                let input = if input.is_some() { "### Input: (where there is one), " } else { "" };
                format!("every row is written as ### Instruction:, {input}### Response:, each with its text on the next line")
            }
            Template::Question { .. } => "every row is written as Question: and Answer:, a line each".into(),
            Template::Prompt { .. } => "every row is written as its prompt with the completion directly behind it".into(),
        };
        let others = self.used();
        let offered = if others.len() > 1 { &others[..] } else { &[] };
        let offer = |problem: Problem, (name, _): &(&str, &str)| {
            problem.with("choose", format!("Take {name} alone"), Options { text_column: Some((*name).to_owned()), ..Options::default() })
        };
        Some(offered.iter().rev().fold(Problem::note("template", sentence), offer))
    }

    /// Hands over every row's text with its number; `None` where it has none.
    pub fn texts(&self, tree: &Tree, entry: &Entry, hand: &mut dyn FnMut(usize, Option<String>) -> Result<()>) -> Result<()> {
        match &self.source {
            Source::Csv(shape) => shape.rows(tree, entry, &mut |row, mut fields| {
                let text = self.written(&mut |at| Ok(fields[at].take()))?;
                hand(row, text)
            }),
            Source::Json { are_lines } => json_rows::rows(tree, entry, *are_lines, &mut |number, mut row| {
                let text = self.written(&mut |at| {
                    let name = &self.columns[at];
                    let value = row.remove(name).unwrap_or_default();
                    match self.template {
                        Template::Chat(_) if value.is_array() => chat(&value).map(Some).ok_or("holds no messages of a role and a text"),
                        _ => plain(value),
                    }
                    .map_err(|why| not_text(tree, entry, number, name, why).into())
                })?;
                hand(number, text)
            }),
        }
    }

    fn written(&self, field: &mut dyn FnMut(usize) -> Result<Option<String>>) -> Result<Option<String>> {
        let (first, second) = match self.template {
            Template::Column(at) | Template::Chat(at) => return field(at),
            Template::Instruction { instruction, answer, .. } => (instruction, answer),
            Template::Question { question, answer } => (question, answer),
            Template::Prompt { prompt, completion } => (prompt, completion),
        };
        let (Some(first), Some(second)) = (field(first)?, field(second)?) else { return Ok(None) };
        Ok(Some(match self.template {
            Template::Instruction { input, .. } => {
                let input = input.map_or(Ok(None), &mut *field)?.filter(|input| !input.trim().is_empty());
                let input = input.map_or(String::new(), |input| format!("### Input:\n{input}\n\n"));
                format!("### Instruction:\n{first}\n\n{input}### Response:\n{second}")
            }
            Template::Question { .. } => format!("Question: {first}\nAnswer: {second}"),
            _ => first + &second,
        }))
    }
}

fn not_text(tree: &Tree, entry: &Entry, row: usize, column: &str, why: &str) -> Problem {
    let file = tree.display(entry);
    Problem::error("bad-row", format!("{file} row {row}: its {column} {why}")).at(Place::row(file, row))
}

/// Names of the columns and what they hold, by the first rows.
fn columns(tree: &Tree, entry: &Entry, are_lines: bool) -> Result<(Vec<String>, Vec<Holds>)> {
    let (mut columns, mut holds): (Vec<String>, Vec<Holds>) = Default::default();
    let mut seen = 0;
    until_enough(json_rows::rows(tree, entry, are_lines, &mut |_, row| {
        for (name, value) in row {
            let at = columns.iter().position(|column| *column == name).unwrap_or_else(|| {
                columns.push(name);
                holds.push(Holds::Other);
                holds.len() - 1
            });
            if value.is_string() {
                holds[at] = Holds::Text;
            } else if chat(&value).is_some() {
                holds[at] = Holds::Chat;
            }
        }
        seen += 1;
        if seen < SHOWN { Ok(()) } else { Err(crate::error::Error::Cancelled) }
    }))?;
    Ok((columns, holds))
}

/// A value as text; nested ones are none.
fn plain(value: Value) -> std::result::Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(yes) => Ok(Some(yes.to_string())),
        Value::Array(_) => Err("is a list, not text"),
        Value::Object(_) => Err("is an object, not text"),
    }
}

/// Messages as one text; none where a value is something else.
fn chat(value: &Value) -> Option<String> {
    let messages = value.as_array().filter(|messages| !messages.is_empty())?;
    let written = messages.iter().map(|message| {
        let of = |names: [&str; 2]| names.iter().find_map(|name| message.get(name));
        let role = match of(["role", "from"])?.as_str()? {
            "human" => "user",
            "gpt" => "assistant",
            other => other,
        };
        let text = match of(["content", "value"])? {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            // Parts of several kinds, of which the text counts.
            Value::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
            _ => return None,
        };
        Some(format!("<|im_start|>{role}\n{text}<|im_end|>\n"))
    });
    written.collect()
}
