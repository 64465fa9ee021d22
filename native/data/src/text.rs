//! Text as documents, from plain files, tables of rows (JSON, CSV), Parquet and Arrow, read as a stream of pieces. A plain file is one document, or
//! several with `<|endoftext|>` between them; a row of a table is one. Long documents come in pieces that end at line ends, so that no
//! tokenizer holds a whole book.

mod reading;

use std::collections::HashSet;
use std::sync::Mutex;

use crate::account::Account;
use crate::columnar::is_columnar;
use crate::error::{Error, Place, Problem, Result, Severity};
use crate::image_parquet::split_of;
use crate::images::{Named, no_training_split};
use crate::merged;
use crate::options::Options;
use crate::sniff::What;
use crate::text_copies::{self, Table};
use crate::text_files;
pub use crate::text_files::{Beside, fits, has_books, has_documents, is_about_others};
use crate::text_forms;
pub use crate::text_pieces::Piece;
use crate::text_rows::Rows;
use crate::text_strays;
use crate::text_told::Told;
use crate::tree::Tree;

/// Fewer documents than this are not shared out whole: the end of the text is kept for validation.
const FEW: usize = 20;

enum Kind {
    Plain,
    Rows(Box<Rows>),
}

struct Part {
    entry: usize,
    kind: Kind,
    split: Option<Named>,
}

impl Part {
    /// As its rows tell, else its name.
    fn splits(&self) -> Vec<Option<Named>> {
        match &self.kind {
            Kind::Rows(rows) if !rows.splits.is_empty() => rows.splits.iter().copied().map(Some).collect(),
            _ => vec![self.split],
        }
    }
}

pub struct TextSet {
    parts: Vec<Part>,
    pub columns: Vec<String>,
    pub problems: Vec<Problem>,
    left_out: Account,
    pub tokenizer: Option<Beside>,
    /// Bytes of all files, for progress.
    pub bytes: u64,
    /// Documents of files known to be one each; `None` where tables have rows.
    plain: Option<usize>,
    /// Splits count, and not a share of all.
    keeps_splits: bool,
    /// Rows of a test split beside a validation split are no text.
    leaves_test: bool,
    told: Mutex<Told>,
}

pub fn open(tree: &Tree, what: &[What], options: &Options) -> Result<TextSet> {
    match open_chosen(tree, what, options) {
        Err(Error::Data(problem)) if problem.code == text_files::SEVERAL_KINDS => of_kind(tree, what, *problem, options),
        opened => opened,
    }
}

/// Of several kinds of files those that can be opened are asked about; where one alone can be, it is the text.
fn of_kind(tree: &Tree, what: &[What], problem: Problem, options: &Options) -> Result<TextSet> {
    let mut opened = Vec::new();
    for remedy in &problem.remedies {
        let chosen = Options { extensions: remedy.options.extensions.clone(), ..options.clone() };
        match open_chosen(tree, what, &chosen) {
            Ok(set) if set.problems.iter().all(|problem| problem.severity != Severity::Error) => opened.push((remedy, Some(set))),
            // It has a question of its own.
            Err(Error::Data(asked)) if !asked.remedies.is_empty() => opened.push((remedy, None)),
            Ok(_) | Err(Error::Data(_)) => {}
            Err(other) => return Err(other),
        }
    }
    match &mut opened[..] {
        [(remedy, Some(set))] => {
            let taken = remedy.options.extensions.as_deref().unwrap_or_default();
            let sentence =
                format!("files of other endings hold no text that can be read and are left out; those that end in {taken} are taken");
            set.problems.push(Problem::warning("no-text", sentence));
            opened.pop().and_then(|(_, set)| set).ok_or_else(|| problem.clone().into())
        }
        _ => Err(Problem { remedies: opened.into_iter().map(|(remedy, _)| remedy.clone()).collect(), ..problem.clone() }.into()),
    }
}

fn open_chosen(tree: &Tree, what: &[What], options: &Options) -> Result<TextSet> {
    let text_files::Files { texts, tokenizer, problems, left_out } = text_files::choose(tree, what, options)?;
    let mut set = TextSet {
        parts: Vec::with_capacity(texts.len()),
        columns: vec![],
        problems,
        left_out,
        tokenizer,
        bytes: 0,
        plain: Some(0),
        keeps_splits: false,
        leaves_test: false,
        told: Mutex::default(),
    };
    let mut lacking = Vec::new();
    for at in texts {
        let entry = &tree.entries[at];
        let kind = match what[at] {
            What::JsonLines | What::Csv | What::Parquet | What::Arrow => {
                Rows::open(tree, entry, &what[at], options).map(|rows| Kind::Rows(Box::new(rows)))
            }
            What::Json if entry.extension() == "json" => Rows::open(tree, entry, &what[at], options).map(|rows| Kind::Rows(Box::new(rows))),
            _ => Ok(Kind::Plain),
        };
        let kind = match kind {
            Err(Error::Data(problem)) if problem.code == "no-column" => {
                lacking.push((at, problem));
                continue;
            }
            kind => kind?,
        };
        set.parts.push(Part { entry: at, kind, split: split_of(entry) });
    }
    set.settle_tables(tree, what, lacking, options)?;
    set.settle_splits(tree, options)?;
    Ok(set)
}

impl TextSet {
    /// Leaves out tables without text beside others, and those that repeat others.
    fn settle_tables(&mut self, tree: &Tree, what: &[What], lacking: Vec<(usize, Box<Problem>)>, options: &Options) -> Result<()> {
        let tables = self.parts.iter().filter_map(|part| match &part.kind {
            Kind::Rows(rows) => Some(Table { entry: part.entry, split: part.split, rows }),
            Kind::Plain => None,
        });
        let tables: Vec<Table> = tables.collect();
        let (count, first) = (lacking.len(), lacking.first().map(|(at, _)| tree.place(&tree.entries[*at])));
        for (at, problem) in lacking {
            // What is named for training is not left out beside other splits.
            let is_training = |split: Option<Named>| split == Some(Named::Train);
            if tables.is_empty() || (is_training(split_of(&tree.entries[at])) && !tables.iter().any(|table| is_training(table.split))) {
                return Err(Error::Data(problem));
            }
            self.left_out.leave_out(tree, at, "tables without a column of text");
        }
        if let Some(first) = first {
            let sentence = format!("{count} tables without a column of text, such as {}, are left out", first.file);
            self.problems.push(Problem::warning("no-column", sentence).counted(count as u64).at(first));
        }
        let of_numbers = text_copies::of_numbers(tree, &tables)?;
        if let Some(first) = of_numbers.first().map(|at| tree.place(&tree.entries[*at])) {
            self.problems.push(text_files::no_words(of_numbers.len(), first));
        }
        let repeated: HashSet<usize> = text_copies::find(tree, &tables, options)?.into_iter().collect();
        if let Some(first) = repeated.iter().min().map(|at| tree.place(&tree.entries[*at])) {
            let sentence = format!("{} has the rows of a file of another format beside it and is left out", first.file);
            self.problems.push(Problem::note("same-rows", sentence).counted(repeated.len() as u64).at(first));
            repeated.iter().for_each(|at| self.left_out.leave_out(tree, *at, "the same rows in another format"));
            self.parts.retain(|part| !repeated.contains(&part.entry));
        }
        self.settle_forms(tree, what, options)?;
        let parts = std::mem::take(&mut self.parts);
        for part in &parts {
            match &part.kind {
                Kind::Rows(rows) => {
                    self.take_columns(rows);
                    self.plain = None;
                }
                Kind::Plain => self.plain = self.plain.map(|plain| plain + 1),
            }
            self.bytes += tree.size(&tree.entries[part.entry]);
        }
        self.parts = parts;
        Ok(())
    }

    /// Leaves out other forms of the same text, as chosen.
    fn settle_forms(&mut self, tree: &Tree, what: &[What], options: &Options) -> Result<()> {
        // Of Parquet and Arrow files configurations are asked for.
        let is_prose = |at: &usize| text_files::is_prose(&tree.entries[*at]) && !is_columnar(&what[*at]);
        let files: Vec<usize> = self.parts.iter().map(|part| part.entry).filter(is_prose).collect();
        let settled = text_forms::settle(tree, &files, text_forms::Of::Text, options)?;
        self.problems.extend(settled.problem);
        let left_out: HashSet<usize> = settled.left_out.into_iter().collect();
        for part in self.parts.extract_if(.., |part| left_out.contains(&part.entry)) {
            self.left_out.leave_out(tree, part.entry, "forms of the text that were not chosen");
        }
        Ok(())
    }

    /// The columns of a table, once for all that have the same.
    fn take_columns(&mut self, rows: &Rows) {
        if self.columns != rows.columns {
            self.columns.clone_from(&rows.columns);
            self.left_out.columns(&rows.columns, &rows.used());
        }
        for note in rows.notes() {
            if !self.problems.contains(&note) {
                self.problems.push(note);
            }
        }
    }

    /// What was met in the text that was read.
    pub fn told(&self) -> Vec<Problem> {
        self.told.lock().map_or_else(|_| Vec::new(), |told| told.problems())
    }

    /// Share of the text that is for validation, by the sizes of the files.
    pub fn validation_share(&self, tree: &Tree, options: &Options) -> f64 {
        if !self.keeps_splits || self.parts.iter().any(|part| part.split.is_none()) {
            return options.validation_share();
        }
        let kept = self.parts.iter().filter(|part| part.split != Some(Named::Train));
        kept.map(|part| tree.size(&tree.entries[part.entry])).sum::<u64>() as f64 / self.bytes.max(1) as f64
    }

    pub fn account(&self, tree: &Tree) -> Account {
        let mut account = self.left_out.clone();
        for part in &self.parts {
            let what = match part.splits()[0].filter(|_| self.keeps_splits) {
                _ if part.splits().len() > 1 => "text of several splits",
                None => "text",
                Some(Named::Train) => "training text",
                Some(_) => "validation text",
            };
            account.use_as(tree, part.entry, what);
        }
        account
    }

    /// Keeps the splits that the names tell, where some text is for training and some is not; else a share of all is for validation.
    fn settle_splits(&mut self, tree: &Tree, options: &Options) -> Result<()> {
        if options.validation.is_none() {
            self.settle_strays(tree, options)?;
        }
        let is_kept = |part: &Part| part.splits().iter().any(|split| !matches!(split, None | Some(Named::Train)));
        let is_trained = |part: &Part| part.splits().iter().any(|split| matches!(split, None | Some(Named::Train)));
        let (kept, trained) = (self.parts.iter().any(is_kept), self.parts.iter().any(is_trained));
        if kept && trained && options.validation.is_none() {
            self.keeps_splits = true;
            self.keep_splits(tree);
            return Ok(());
        }
        let percent = (options.validation_share() * 1000.0).round() / 10.0;
        let what = if self.is_few() { "the end of the text" } else { "some of the documents" };
        let found = match (kept, trained) {
            (true, true) => "all files are taken together, as chosen",
            (true, false) => "there is no training split, and all is taken together",
            _ => "the files have no validation split",
        };
        let sentence = format!("{found}; {what}, {percent} %, is kept for validation");
        self.parts.iter_mut().for_each(|part| part.split = None);
        let (other, title) = if percent < 15.0 { (0.2, "Keep 20 %") } else { (0.1, "Keep 10 %") };
        let remedy = Options { validation: Some(other), ..Options::default() };
        self.problems.push(Problem::note("no-validation", sentence).with("split", title, remedy));
        Ok(())
    }

    /// Where nothing is named for training: text of no split may be that, and is asked about; without any, validation text trains and test text
    /// validates.
    fn settle_strays(&mut self, tree: &Tree, options: &Options) -> Result<()> {
        let has = |wanted: Option<Named>| self.parts.iter().any(|part| part.splits().contains(&wanted));
        let (validation, test) = (has(Some(Named::Validation)), has(Some(Named::Test)));
        if has(Some(Named::Train)) || !(validation || test) {
            return Ok(());
        }
        let of = |stray: bool| {
            let parts = self.parts.iter().filter(|part| (part.splits() == [None]) == stray);
            parts.map(|part| part.entry).collect::<Vec<_>>()
        };
        let strays = of(true);
        if strays.is_empty() {
            // Rows of a table keep the splits that they tell.
            if validation && test && self.parts.iter().all(|part| part.splits().len() == 1 && part.split.is_some()) {
                let is_validation = |part: &&mut Part| part.split == Some(Named::Validation);
                self.parts.iter_mut().filter(is_validation).for_each(|part| part.split = Some(Named::Train));
                self.problems.push(no_training_split());
            }
            return Ok(());
        }
        let trained = text_strays::train(tree, &strays, &of(false), options)?;
        for (at, trains) in strays.into_iter().zip(trained) {
            if trains {
                self.parts.iter_mut().filter(|part| part.entry == at).for_each(|part| part.split = Some(Named::Train));
            } else {
                self.left_out.leave_out(tree, at, "text of no split, as chosen");
                self.parts.retain(|part| part.entry != at);
                self.bytes -= tree.size(&tree.entries[at]);
            }
        }
        Ok(())
    }

    /// A test split beside one for validation is left out.
    fn keep_splits(&mut self, tree: &Tree) {
        let has_validation = self.parts.iter().any(|part| part.splits().contains(&Some(Named::Validation)));
        self.leaves_test = has_validation;
        let unused: Vec<Part> = self.parts.extract_if(.., |part| has_validation && part.splits() == [Some(Named::Test)]).collect();
        for part in &unused {
            self.left_out.leave_out(tree, part.entry, "text of a test split beside a validation split");
            self.bytes -= tree.size(&tree.entries[part.entry]);
        }
        if !unused.is_empty() {
            let files = if unused.len() == 1 {
                "the file of the test split is".to_owned()
            } else {
                format!("the {} files of the test split are", unused.len())
            };
            let sentence = format!("training is evaluated on the validation split; {files} left out");
            self.problems.push(Problem::note("unused-split", sentence).counted(unused.len() as u64));
        }
        let trained = self.parts.iter().any(|part| part.splits().contains(&Some(Named::Train)));
        let strays: Vec<Part> = self.parts.extract_if(.., |part| trained && part.splits() == [None]).collect();
        for part in &strays {
            self.left_out.leave_out(tree, part.entry, "text beside the files of the splits");
            self.bytes -= tree.size(&tree.entries[part.entry]);
        }
        if let Some(first) = strays.first() {
            let first = tree.display(&tree.entries[first.entry]);
            let sentence = format!("{} files of no split, such as {first}, lie beside those of the splits and are left out", strays.len());
            let together = Options { validation: Some(0.1), ..Options::default() };
            let problem = Problem::warning("no-split", sentence).counted(strays.len() as u64).at(Place::file(first));
            self.problems.push(problem.with("split", "Take all files together and keep 10 %", together));
        }
        self.problems
            .extend(merged::of_entries(self.parts.iter().filter(|part| part.split.is_some()).map(|part| &tree.entries[part.entry])));
        self.parts.iter_mut().filter(|part| part.splits() == [None]).for_each(|part| part.split = Some(Named::Train));
    }

    fn is_few(&self) -> bool {
        self.plain.is_some_and(|plain| plain < FEW)
    }
}

/// Ends a stream early without an error.
pub fn until_enough(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::Cancelled) => Ok(()),
        other => other,
    }
}
