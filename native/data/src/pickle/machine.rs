//! The machine of Python's pickles: a stack, a memo, and the opcodes of protocols 0 to 5.

use super::globals::{global, storage, torch_global};
use super::{Array, Global, Tensor, Value};

/// Deep nesting and endless memos end here.
const MAX_ITEMS: usize = 50_000_000;

pub enum Stop {
    Code(String),
    Damaged(&'static str),
}

pub struct Machine<'a> {
    bytes: &'a [u8],
    pub at: usize,
    stack: Vec<Value>,
    memo: Vec<Option<Value>>,
    made: usize,
    /// Tensors are known.
    torch: bool,
}

pub type Step<T> = Result<T, Stop>;

impl<'a> Machine<'a> {
    /// `torch`: tensors of torch.save are known.
    pub fn new(bytes: &'a [u8], torch: bool) -> Self {
        Self { bytes, at: 0, stack: Vec::new(), memo: Vec::new(), made: 0, torch }
    }

    /// The value that the pickle leaves.
    pub fn run(&mut self) -> Step<Value> {
        loop {
            let opcode = self.take(1)?[0];
            if opcode == b'.' {
                return self.pop();
            }
            self.made += 1;
            if self.made > MAX_ITEMS {
                return Err(Stop::Damaged("has too many items"));
            }
            self.execute(opcode)?;
        }
    }

    fn execute(&mut self, opcode: u8) -> Step<()> {
        match opcode {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.stack.push(Value::Mark),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?.clone();
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'I' | b'L' | b'F' | b'S' | b'V' => self.line_value(opcode)?,
            b'J' => self.int::<4>(true)?,
            b'K' => self.int::<1>(false)?,
            b'M' => self.int::<2>(false)?,
            0x8a => {
                let length = usize::from(self.take(1)?[0]);
                self.long(length)?;
            }
            0x8b => {
                let length = self.length::<4>()?;
                self.long(length)?;
            }
            b'G' => {
                let mut word = [0; 8];
                word.copy_from_slice(self.take(8)?);
                self.stack.push(Value::Float(f64::from_be_bytes(word)));
            }
            b'U' | b'C' => self.byte_string::<1>()?,
            b'T' | b'B' => self.byte_string::<4>()?,
            0x8e | 0x96 => self.byte_string::<8>()?,
            0x8c => self.text::<1>()?,
            b'X' => self.text::<4>()?,
            0x8d => self.text::<8>()?,
            b']' => self.stack.push(Value::List(Vec::new())),
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            b'}' => self.stack.push(Value::Dict(Vec::new())),
            b'l' => {
                let items = self.pop_to_mark()?;
                self.stack.push(Value::List(items));
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.stack.push(Value::Tuple(items));
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.stack.push(Value::Dict(pairs(items)?));
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let at = self.stack.len().checked_sub(count).ok_or(Stop::Damaged("is damaged"))?;
                let items = self.stack.split_off(at);
                check_depth(&items)?;
                self.stack.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(pairs(items)?)?;
            }
            b'p' => {
                let index = self.line()?.parse().map_err(|_| Stop::Damaged("is damaged"))?;
                self.put(index)?;
            }
            b'q' => {
                let index = usize::from(self.take(1)?[0]);
                self.put(index)?;
            }
            b'r' => {
                let index = self.length::<4>()?;
                self.put(index)?;
            }
            0x94 => self.put(self.memo.len())?,
            b'g' => {
                let index = self.line()?.parse().map_err(|_| Stop::Damaged("is damaged"))?;
                self.get(index)?;
            }
            b'h' => {
                let index = usize::from(self.take(1)?[0]);
                self.get(index)?;
            }
            b'j' => {
                let index = self.length::<4>()?;
                self.get(index)?;
            }
            b'c' => {
                let (module, name) = (self.line()?.to_owned(), self.line()?.to_owned());
                self.stack.push(Value::Global(self.global(&module, &name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else { return Err(Stop::Damaged("is damaged")) };
                self.stack.push(Value::Global(self.global(&module, &name)?));
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(function, arguments)?;
                self.stack.push(made);
            }
            b'b' => self.build()?,
            b'i' => {
                let (module, name) = (self.line()?.to_owned(), self.line()?.to_owned());
                return Err(Stop::Code(format!("{module}.{name}")));
            }
            b'o' | 0x81 | 0x92 => return Err(Stop::Code("a class".into())),
            b'Q' if self.torch => {
                let id = self.pop()?;
                self.stack.push(storage(id, self.bytes)?);
            }
            b'P' | b'Q' => return Err(Stop::Code("a persistent object".into())),
            0x82..=0x84 => return Err(Stop::Code("an extension".into())),
            _ => return Err(Stop::Damaged("has an unknown instruction")),
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Step<&[u8]> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or(Stop::Damaged("ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn line(&mut self) -> Step<&str> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(Stop::Damaged("ends too early"))?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| Stop::Damaged("is damaged"))
    }

    fn pop(&mut self) -> Step<Value> {
        self.stack.pop().ok_or(Stop::Damaged("is damaged"))
    }

    fn top(&mut self) -> Step<&mut Value> {
        self.stack.last_mut().ok_or(Stop::Damaged("is damaged"))
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Value>> {
        let mark = self.stack.iter().rposition(|value| *value == Value::Mark).ok_or(Stop::Damaged("is damaged"))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        check_depth(&items)?;
        Ok(items)
    }

    fn length<const N: usize>(&mut self) -> Step<usize> {
        let mut word = [0; 8];
        word[..N].copy_from_slice(self.take(N)?);
        usize::try_from(u64::from_le_bytes(word)).map_err(|_| Stop::Damaged("ends too early"))
    }

    fn int<const N: usize>(&mut self, signed: bool) -> Step<()> {
        let number = self.length::<N>()? as i64;
        let number = if signed { i64::from(number as i32) } else { number };
        self.stack.push(Value::Int(number));
        Ok(())
    }

    fn long(&mut self, length: usize) -> Step<()> {
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            return Err(Stop::Damaged("has a number beyond 64 bits"));
        }
        let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut word = [fill; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(word)));
        Ok(())
    }

    fn byte_string<const N: usize>(&mut self) -> Step<()> {
        let length = self.length::<N>()?;
        let start = self.at;
        self.take(length)?;
        self.stack.push(Value::Bytes(start..start + length));
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Step<()> {
        let length = self.length::<N>()?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Stop::Damaged("has text that is not UTF-8"))?.to_owned();
        self.stack.push(Value::Text(text));
        Ok(())
    }

    /// Values that protocol 0 writes as a line.
    fn line_value(&mut self, opcode: u8) -> Step<()> {
        let line = self.line()?;
        let damaged = || Stop::Damaged("is damaged");
        let value = match (opcode, line) {
            (b'I', "00") => Value::Bool(false),
            (b'I', "01") => Value::Bool(true),
            (b'I', _) => Value::Int(line.parse().map_err(|_| damaged())?),
            (b'L', _) => Value::Int(line.trim_end_matches('L').parse().map_err(|_| damaged())?),
            (b'F', _) => Value::Float(line.parse().map_err(|_| damaged())?),
            (b'V', _) => Value::Text(line.to_owned()),
            _ => Value::Decoded(quoted(line).ok_or_else(damaged)?),
        };
        self.stack.push(value);
        Ok(())
    }

    fn extend_list(&mut self, items: Vec<Value>) -> Step<()> {
        check_depth(&items)?;
        match self.top()? {
            Value::List(list) => list.extend(items),
            _ => return Err(Stop::Damaged("is damaged")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<(Value, Value)>) -> Step<()> {
        items.iter().try_for_each(|(_, value)| check_depth(std::slice::from_ref(value)))?;
        match self.top()? {
            Value::Dict(dict) => dict.extend(items),
            _ => return Err(Stop::Damaged("is damaged")),
        }
        Ok(())
    }

    fn put(&mut self, index: usize) -> Step<()> {
        // A memo longer than the pickle is a lie.
        if index > self.bytes.len() {
            return Err(Stop::Damaged("is damaged"));
        }
        // Containers grow after they are noted; nothing that is read here refers to one again, and copies of them could grow without end.
        let noted = match self.top()? {
            Value::List(_) | Value::Dict(_) | Value::Array(_) | Value::Mark => None,
            Value::Tuple(items) if items.len() > 16 => None,
            other => Some(other.clone()),
        };
        if self.memo.len() <= index {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = noted;
        Ok(())
    }

    fn get(&mut self, index: usize) -> Step<()> {
        let value = self.memo.get(index).cloned().flatten().ok_or(Stop::Damaged("refers to an item that is not plain data"))?;
        self.stack.push(value);
        Ok(())
    }

    fn global(&self, module: &str, name: &str) -> Step<Global> {
        if self.torch
            && let Some(known) = torch_global(module, name)
        {
            Ok(known)
        } else {
            global(module, name)
        }
    }

    fn call(&self, function: Value, arguments: Value) -> Step<Value> {
        let Value::Tuple(arguments) = arguments else { return Err(Stop::Damaged("is damaged")) };
        let empty = Value::Decoded(Vec::new());
        match (function, &arguments[..]) {
            (Value::Global(Global::Dict), []) => Ok(Value::Dict(Vec::new())),
            (Value::Global(Global::Bytes), []) => Ok(empty),
            (Value::Global(Global::Dtype), [name, ..]) => {
                name.text(self.bytes).map(Value::Dtype).ok_or(Stop::Damaged("has an element type without a name"))
            }
            (Value::Global(Global::Reconstruct), _) => {
                Ok(Value::Array(Array { dtype: String::new(), shape: vec![0], fortran: false, data: Box::new(empty) }))
            }
            (Value::Global(Global::Encode), [Value::Text(text), ..]) => {
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                bytes.map(Value::Decoded).ok_or(Stop::Damaged("has bytes that are none"))
            }
            (Value::Global(Global::FromBuffer), [data, Value::Dtype(dtype), Value::Tuple(shape), order, ..]) => {
                let fortran = order.text(self.bytes).as_deref() == Some("F");
                let array = Array { dtype: dtype.clone(), shape: extents(shape)?, fortran, data: Box::new(data.clone()) };
                Ok(Value::Array(array))
            }
            (
                Value::Global(Global::Rebuild),
                [Value::Storage(descr, key), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), rest @ ..],
            ) => {
                // Of types that have no storage of their own, the type stands behind.
                let named =
                    rest.iter().find_map(|value| if let Value::Global(Global::Element(descr)) = value { Some(*descr) } else { None });
                let (shape, strides) = (extents(shape)?, extents(strides)?);
                let offset = usize::try_from(*offset).map_err(|_| Stop::Damaged("has a tensor before its storage"))?;
                if shape.len() != strides.len() || shape.contains(&0) {
                    return Err(Stop::Damaged("has a tensor without elements or strides"));
                }
                Ok(Value::Tensor(Box::new(Tensor { descr: named.unwrap_or(descr), key: key.clone(), offset, shape, strides })))
            }
            (Value::Global(_), _) => Err(Stop::Damaged("makes an array in an unknown way")),
            _ => Err(Stop::Code("an object".into())),
        }
    }

    /// The state of an array (version, shape, type, order, data) or of a type (version, byte order, ...).
    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let damaged = || Stop::Damaged("has an array without its parts");
        let Value::Tuple(state) = state else { return Err(Stop::Code("an object's state".into())) };
        match self.top()? {
            Value::Dtype(name) => {
                let name = name.clone();
                let order = match state.get(1) {
                    Some(Value::Text(order)) if order.len() == 1 => order.clone(),
                    Some(Value::Bytes(range)) if range.len() == 1 => char::from(self.bytes[range.start]).to_string(),
                    _ => "|".into(),
                };
                let order = if order == "=" { "<".into() } else { order };
                // The memo holds the type as it was before: a second array of it shall find it whole.
                let (bare, whole) = (Value::Dtype(name.clone()), Value::Dtype(format!("{order}{name}")));
                self.memo.iter_mut().flatten().filter(|noted| **noted == bare).for_each(|noted| *noted = whole.clone());
                *self.top()? = whole;
            }
            Value::Array(array) => {
                let [_, Value::Tuple(shape), Value::Dtype(dtype), Value::Bool(fortran), data] = &state[..] else { return Err(damaged()) };
                check_depth(std::slice::from_ref(data))?;
                *array = Array { dtype: dtype.clone(), shape: extents(shape)?, fortran: *fortran, data: Box::new(data.clone()) };
            }
            _ => return Err(Stop::Code("an object's state".into())),
        }
        Ok(())
    }
}

/// Data nests a few levels; a chain without end would exhaust the stack when it is dropped.
fn check_depth(items: &[Value]) -> Step<()> {
    fn depth(value: &Value) -> usize {
        match value {
            Value::List(items) | Value::Tuple(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Dict(items) => 1 + items.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0),
            Value::Array(array) => 1 + depth(&array.data),
            _ => 0,
        }
    }
    if items.iter().any(|item| depth(item) > 32) { Err(Stop::Damaged("nests too deeply")) } else { Ok(()) }
}

fn extents(shape: &[Value]) -> Step<Vec<usize>> {
    let extent = |value: &Value| match value {
        Value::Int(extent) => usize::try_from(*extent).ok(),
        _ => None,
    };
    shape.iter().map(extent).collect::<Option<_>>().ok_or(Stop::Damaged("has an array with a shape that is none"))
}

fn pairs(items: Vec<Value>) -> Step<Vec<(Value, Value)>> {
    if !items.len().is_multiple_of(2) {
        return Err(Stop::Damaged("is damaged"));
    }
    let mut items = items.into_iter();
    Ok(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
}

/// A Python 2 string literal.
fn quoted(line: &str) -> Option<Vec<u8>> {
    let inner = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let inner = inner.or_else(|| line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')))?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            },
            other => other,
        });
    }
    Some(bytes)
}
