//! Python pickles read as plain data. The machine knows how to build numbers, text, bytes, lists, tuples, dictionaries and NumPy arrays of
//! numbers, and nothing else: whatever names another class or function is refused, so that no pickle can run code.
//!
//! Protocols 0 to 5; the opcodes are those of Python's pickletools.

mod globals;
mod machine;

use std::ops::Range;

use self::machine::{Machine, Stop};

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Where the bytes lie in the pickle.
    Bytes(Range<usize>),
    /// Bytes that the pickle wrote as text.
    Decoded(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Array(Array),
    Dtype(String),
    /// Type and key of a storage of torch.save.
    Storage(&'static str, String),
    Tensor(Box<Tensor>),
    /// One of the few names that are known.
    Global(Global),
    Mark,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub fortran: bool,
    pub data: Box<Value>,
}

/// A tensor of torch.save: a view of a storage that lies outside the pickle.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// NumPy's type without its byte order; `bf2` is bfloat16.
    pub descr: &'static str,
    pub key: String,
    /// In elements, as the strides are.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Tensor {
    /// Bytes of an element.
    pub fn element(&self) -> usize {
        self.descr.bytes().last().map_or(1, |digit| usize::from(digit.saturating_sub(b'0')))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    /// Of PyTorch: a type of storage or of elements, and what makes a tensor of a storage.
    Element(&'static str),
    Rebuild,
    Reconstruct,
    FromBuffer,
    NdArray,
    Dtype,
    Encode,
    Dict,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It would run this.
    Code(String),
    /// The end of a sentence that starts with the file, and where.
    Damaged(String, usize),
}

pub fn load(pickle: &[u8]) -> Result<Value, Refusal> {
    run(pickle, false).map(|(value, _)| value)
}

/// The same of a pickle of torch.save, with its tensors and with its length in bytes.
pub fn load_tensors(pickle: &[u8]) -> Result<(Value, usize), Refusal> {
    run(pickle, true)
}

fn run(pickle: &[u8], torch: bool) -> Result<(Value, usize), Refusal> {
    let mut machine = Machine::new(pickle, torch);
    match machine.run() {
        Ok(value) => Ok((value, machine.at)),
        Err(Stop::Code(name)) => Err(Refusal::Code(name)),
        Err(Stop::Damaged(why)) => Err(Refusal::Damaged(why.into(), machine.at)),
    }
}

impl Value {
    /// Text, or bytes that are text.
    pub fn text(&self, pickle: &[u8]) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            other => other.bytes(pickle).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()),
        }
    }

    pub fn bytes<'a>(&'a self, pickle: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(range) => pickle.get(range.clone()),
            Self::Decoded(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Value of a key that is text or bytes.
    pub fn get(&self, key: &str, pickle: &[u8]) -> Option<&Self> {
        let Self::Dict(items) = self else { return None };
        items.iter().find(|(name, _)| name.text(pickle).as_deref() == Some(key)).map(|(_, value)| value)
    }

    /// A list, tuple or array of whole numbers.
    pub fn integers(&self, pickle: &[u8]) -> Option<Vec<i64>> {
        match self {
            Self::List(items) | Self::Tuple(items) => {
                items.iter().map(|item| if let Self::Int(x) = item { Some(*x) } else { None }).collect()
            }
            Self::Array(array) => {
                let header = crate::npy::Header { descr: array.dtype.clone(), shape: array.shape.clone(), fortran: false, start: 0 };
                let bytes = array.data.bytes(pickle)?;
                (header.element() > 0 && header.bytes() == Some(bytes.len())).then(|| header.numbers(bytes).map(|x| x as i64).collect())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_data_of_protocol_0_and_2_is_read() {
        let text = b"(dp0\nS'labels'\np1\n(lp2\nI3\naI1\nasS'data'\np3\nS'a\\x00\\n'\np4\ns.";
        let value = load(text).unwrap();
        assert_eq!(value.get("labels", text).unwrap().integers(text), Some(vec![3, 1]));
        assert_eq!(value.get("data", text).unwrap().bytes(text), Some(&b"a\0\n"[..]));
        let binary = b"\x80\x02}q\x00(U\x01aK\x05U\x01bJ\xff\xff\xff\xff\x8a\x02\x00\x01\x85u.";
        assert!(load(binary).is_err(), "an odd number of items");
        let binary = b"\x80\x02}q\x00(U\x01aK\x05U\x01bJ\xff\xff\xff\xffu.";
        let value = load(binary).unwrap();
        assert_eq!((value.get("a", binary), value.get("b", binary)), (Some(&Value::Int(5)), Some(&Value::Int(-1))));
    }

    #[test]
    fn a_pickle_that_would_run_code_is_refused_with_its_name() {
        let system = b"cos\nsystem\n(S'touch /tmp/x'\ntR.";
        assert_eq!(load(system), Err(Refusal::Code("os.system".into())));
        assert_eq!(load(b"(iposix\nsystem\n."), Err(Refusal::Code("posix.system".into())));
        assert_eq!(load(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."), Err(Refusal::Code("builtins.eval".into())));
    }

    #[test]
    fn damaged_pickles_are_refused() {
        for bytes in [&b""[..], b"\x80", b"\x80\x02]", b"\x80\x02a.", b"\xff", b"U\xffabc", b"h\x05.", b"r\xff\xff\xff\xff."] {
            assert!(matches!(load(bytes), Err(Refusal::Damaged(..))), "{bytes:?}");
        }
    }
}
