//! Columns of an Arrow schema as a record batch has them: what each holds, and which of the batch's nodes and buffers are its own.

use arrow_ipc::{Field, Int, Precision, Type};

/// Structures inside structures.
const MAX_DEPTH: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Null,
    Bool,
    Int {
        bytes: usize,
        signed: bool,
    },
    Float {
        bytes: usize,
    },
    /// Bytes or text in views: short ones within, others by buffer and place.
    View,
    /// Bytes or text, with offsets of 32 or 64 bits.
    Bytes {
        wide: bool,
        text: bool,
    },
    /// A list of whole numbers: offsets of 32 or 64 bits, or a fixed length; then its numbers.
    Ints {
        wide: bool,
        fixed: Option<usize>,
        bytes: usize,
        signed: bool,
    },
    /// Places in the dictionary of this number.
    Indexes {
        bytes: usize,
        signed: bool,
        dictionary: i64,
    },
    Other(&'static str),
}

/// A column outside lists, or a list of whole numbers.
pub struct Leaf {
    pub name: String,
    pub kind: Kind,
    pub node: usize,
    /// Its first buffer, without those of views before it.
    pub buffer: usize,
    /// Views before it, which have buffers as many as a batch tells.
    pub views: usize,
    /// Buffers of validity of the structures that it is in, each with the views before it.
    pub parents: Vec<(usize, usize)>,
}

impl Leaf {
    /// The same without its structures.
    pub fn named(&self) -> Self {
        Self { name: self.name.clone(), parents: Vec::new(), ..*self }
    }
}

/// A column with what is inside.
pub struct Nested {
    pub leaf: Leaf,
    pub form: Form,
    pub inner: Vec<Self>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Structure,
    /// With offsets of 32 or 64 bits.
    List {
        wide: bool,
    },
    /// Lists of one length.
    Lists(usize),
    /// It is not read.
    Other,
}

/// Numbers the columns of a schema as a record batch has them.
#[derive(Default)]
pub struct Walk {
    pub leaves: Vec<Leaf>,
    /// Numbers of dictionaries, each with its values.
    pub dictionaries: Vec<(i64, Leaf)>,
    node: usize,
    buffer: usize,
    views: usize,
}

impl Walk {
    /// `hidden`: inside a list, where columns are counted and not kept.
    pub fn field(
        &mut self,
        field: Field<'_>,
        prefix: &str,
        parents: &[(usize, usize)],
        hidden: bool,
        depth: usize,
    ) -> std::result::Result<Nested, String> {
        if depth > MAX_DEPTH {
            return Err("has structures inside more than 32 structures".into());
        }
        let own = field.name().unwrap_or_default();
        let name = if prefix.is_empty() { own.to_owned() } else { format!("{prefix}.{own}") };
        let (node, buffer, views) = (self.node, self.buffer, self.views);
        self.node += 1;
        let kind = kind_of(&field);
        let children: Vec<Field<'_>> = field.children().map(|children| children.iter().collect()).unwrap_or_default();
        let mut inner_hidden = true;
        let mut inner_parents = Vec::new();
        self.buffer += match field.type_type() {
            _ if field.dictionary().is_some() => 2,
            Type::Null | Type::RunEndEncoded => 0,
            Type::FixedSizeList => 1,
            Type::Struct_ => {
                inner_hidden = hidden;
                inner_parents = [parents, &[(buffer, views)]].concat();
                1
            }
            Type::Utf8View | Type::BinaryView => {
                self.views += 1;
                2
            }
            Type::Binary | Type::Utf8 | Type::LargeBinary | Type::LargeUtf8 | Type::ListView | Type::LargeListView => 3,
            Type::Union => {
                if field.type_as_union().is_some_and(|union| union.mode() == arrow_ipc::UnionMode::Dense) {
                    2
                } else {
                    1
                }
            }
            _ => 2,
        };
        let is_struct = field.type_type() == Type::Struct_ && field.dictionary().is_none();
        if !is_struct && !hidden {
            self.leaves.push(Leaf { name: name.clone(), kind, node, buffer, views, parents: parents.to_vec() });
        }
        let own = own.to_owned();
        let leaf = Leaf { name: own, kind, node, buffer, views, parents: Vec::new() };
        // A dictionary's values are in messages of their own.
        let Some(dictionary) = field.dictionary() else {
            let mut inner = Vec::new();
            for child in children {
                inner.push(self.field(child, if is_struct { &name } else { "" }, &inner_parents, inner_hidden, depth + 1)?);
            }
            return Ok(Nested { leaf, form: form_of(&field, &inner), inner });
        };
        if self.dictionaries.iter().all(|(number, _)| *number != dictionary.id()) {
            let values = Leaf { name, kind: plain_kind(&field), node: 0, buffer: 0, views: 0, parents: Vec::new() };
            self.dictionaries.push((dictionary.id(), values));
        }
        Ok(Nested { leaf, form: Form::Other, inner: Vec::new() })
    }
}

fn form_of(field: &Field<'_>, inner: &[Nested]) -> Form {
    match (field.type_type(), inner) {
        (Type::Struct_, _) => Form::Structure,
        (Type::List, [_]) => Form::List { wide: false },
        (Type::LargeList, [_]) => Form::List { wide: true },
        (Type::FixedSizeList, [_]) => {
            let size = field.type_as_fixed_size_list().and_then(|fixed| usize::try_from(fixed.listSize()).ok());
            size.map_or(Form::Other, Form::Lists)
        }
        (_, []) => Form::Plain,
        _ => Form::Other,
    }
}

/// Bytes, and whether there is a sign.
fn width(int: Int<'_>) -> Option<(usize, bool)> {
    matches!(int.bitWidth(), 8 | 16 | 32 | 64).then(|| (int.bitWidth() as usize / 8, int.is_signed()))
}

fn int_of(field: &Field<'_>) -> Option<(usize, bool)> {
    field.type_as_int().and_then(width)
}

fn kind_of(field: &Field<'_>) -> Kind {
    let Some(dictionary) = field.dictionary() else { return plain_kind(field) };
    // Indexes of no said type are of 32 bits.
    match dictionary.indexType().map_or(Some((4, true)), width) {
        Some((bytes, signed)) => Kind::Indexes { bytes, signed, dictionary: dictionary.id() },
        None => Kind::Other("places in a dictionary of an unknown width"),
    }
}

/// Without regard to a dictionary.
fn plain_kind(field: &Field<'_>) -> Kind {
    let child = || field.children().filter(|children| children.len() == 1).map(|children| children.get(0));
    let list = |wide: bool, fixed: Option<usize>| match child().filter(|child| child.dictionary().is_none()).and_then(|c| int_of(&c)) {
        Some((bytes, signed)) => Kind::Ints { wide, fixed, bytes, signed },
        None => Kind::Other("lists"),
    };
    match field.type_type() {
        Type::Null => Kind::Null,
        Type::Bool => Kind::Bool,
        Type::Int => int_of(field).map_or(Kind::Other("numbers of an unknown width"), |(bytes, signed)| Kind::Int { bytes, signed }),
        Type::FloatingPoint => match field.type_as_floating_point().map(|float| float.precision()) {
            Some(Precision::HALF) => Kind::Float { bytes: 2 },
            Some(Precision::SINGLE) => Kind::Float { bytes: 4 },
            Some(Precision::DOUBLE) => Kind::Float { bytes: 8 },
            _ => Kind::Other("numbers of an unknown width"),
        },
        Type::Binary => Kind::Bytes { wide: false, text: false },
        Type::Utf8 => Kind::Bytes { wide: false, text: true },
        Type::LargeBinary => Kind::Bytes { wide: true, text: false },
        Type::LargeUtf8 => Kind::Bytes { wide: true, text: true },
        Type::List => list(false, None),
        Type::LargeList => list(true, None),
        Type::FixedSizeList => {
            let size = field.type_as_fixed_size_list().and_then(|fixed| usize::try_from(fixed.listSize()).ok());
            size.map_or(Kind::Other("lists"), |size| list(false, Some(size)))
        }
        Type::ListView | Type::LargeListView | Type::Map => Kind::Other("lists"),
        Type::Utf8View | Type::BinaryView => Kind::View,
        Type::Date | Type::Time | Type::Timestamp | Type::Duration | Type::Interval => Kind::Other("times"),
        _ => Kind::Other("another type"),
    }
}
