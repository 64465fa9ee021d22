//! How a row is written as text: a column, or several in a template, chosen by their names and what they hold.

use super::Rows;
use crate::column_splits::plain_name;
use crate::error::{Problem, Result};
use crate::options::Options;
use crate::text_columns::{self, Column, Holds};
use crate::tree::{Entry, Tree};

const TEXT_COLUMNS: [&str; 8] = ["text", "content", "document", "body", "sentence", "story", "article", "markdown"];
const CHATS: [&str; 4] = ["messages", "conversations", "conversation", "dialogue"];
const ANSWERS: [&str; 4] = ["output", "response", "completion", "answer"];

/// Columns by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    Column(usize),
    Chat(usize),
    Instruction { instruction: usize, input: Option<usize>, answer: usize },
    Question { question: usize, answer: usize },
    Prompt { prompt: usize, completion: usize },
}

impl Rows {
    pub(super) fn choose(&self, tree: &Tree, entry: &Entry, looked: &[Column], options: &Options) -> Result<Template> {
        let index = |name: &str| self.columns.iter().position(|column| plain_name(column) == name);
        let text = |name: &str| index(name).filter(|at| looked[*at].holds == Holds::Text);
        let first = |names: &[&str]| names.iter().find_map(|name| text(name));
        let as_column = |at: usize| if looked[at].holds == Holds::Chat { Template::Chat(at) } else { Template::Column(at) };
        let asked = |several: &[usize]| Err(text_columns::asked(tree, entry, looked, several, None));
        if let Some(chosen) = &options.text_column {
            let found = self.columns.iter().position(|column| column == chosen);
            let is_text = |at: &usize| matches!(looked[*at].holds, Holds::Text | Holds::Chat | Holds::Other("numbers" | "nothing"));
            let found = found.filter(is_text).map(as_column);
            return found.ok_or_else(|| text_columns::asked(tree, entry, looked, &[], Some(chosen)));
        }
        let usual: Vec<usize> = TEXT_COLUMNS.iter().filter_map(|name| text(name)).collect();
        let chats: Vec<usize> = CHATS.iter().filter_map(|name| index(name)).filter(|at| looked[*at].holds == Holds::Chat).collect();
        let all_chats: Vec<usize> = (0..looked.len()).filter(|at| looked[*at].holds == Holds::Chat).collect();
        match (&usual[..], &chats[..], &all_chats[..]) {
            ([one], [], _) => return Ok(Template::Column(*one)),
            ([], [one], _) | ([], [], [one]) => return Ok(Template::Chat(*one)),
            ([], [], []) => {}
            ([], [], _) => return asked(&all_chats),
            _ => return asked(&[usual, chats].concat()),
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
        let texts: Vec<usize> = (0..looked.len()).filter(|at| looked[*at].holds == Holds::Text).collect();
        // A sole column of names, of one value or of addresses is rather something else.
        match texts[..] {
            [one] if looked.len() == 1 || looked[one].is_prose() => Ok(Template::Column(one)),
            _ => asked(&[]),
        }
    }

    pub(super) fn parts(&self) -> Vec<(usize, &'static str)> {
        match self.template {
            Template::Column(at) => vec![(at, "text")],
            Template::Chat(at) => vec![(at, "messages")],
            Template::Instruction { instruction, input, answer } => {
                let input = input.map(|input| (input, "inputs"));
                [Some((instruction, "instructions")), input, Some((answer, "answers"))].into_iter().flatten().collect()
            }
            Template::Question { question, answer } => vec![(question, "questions"), (answer, "answers")],
            Template::Prompt { prompt, completion } => vec![(prompt, "prompts"), (completion, "completions")],
        }
    }

    pub(super) fn written_so(&self) -> Option<Problem> {
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
        let others = self.parts();
        let offered = if others.len() > 1 { &others[..] } else { &[] };
        let offer = |problem: Problem, (at, _): &(usize, &str)| {
            let name = &self.columns[*at];
            problem.with("choose", format!("Take {name} alone"), Options { text_column: Some(name.clone()), ..Options::default() })
        };
        Some(offered.iter().rev().fold(Problem::note("template", sentence), offer))
    }

    pub(super) fn written(&self, field: &mut dyn FnMut(usize) -> Result<Option<String>>) -> Result<Option<String>> {
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
