//! The names of classes and functions that a pickle may use: those that make arrays, and tensors of torch.save.

use super::machine::{Step, Stop};
use super::{Global, Value};

pub fn global(module: &str, name: &str) -> Step<Global> {
    match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Ok(Global::Reconstruct),
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Ok(Global::FromBuffer),
        ("numpy", "ndarray") => Ok(Global::NdArray),
        ("numpy", "dtype") => Ok(Global::Dtype),
        ("_codecs", "encode") => Ok(Global::Encode),
        ("collections", "OrderedDict") => Ok(Global::Dict),
        ("__builtin__" | "builtins", "bytes") => Ok(Global::Bytes),
        _ => Err(Stop::Code(format!("{module}.{name}"))),
    }
}

pub fn torch_global(module: &str, name: &str) -> Option<Global> {
    let descr = match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => return Some(Global::Rebuild),
        ("torch", "ByteStorage" | "uint8") | ("torch.storage", "UntypedStorage") => "u1",
        ("torch", "CharStorage" | "int8") => "i1",
        ("torch", "BoolStorage" | "bool") => "b1",
        ("torch", "ShortStorage" | "int16") => "i2",
        ("torch", "IntStorage" | "int32") => "i4",
        ("torch", "LongStorage" | "int64") => "i8",
        ("torch", "HalfStorage" | "float16") => "f2",
        ("torch", "BFloat16Storage" | "bfloat16") => "bf2",
        ("torch", "FloatStorage" | "float32") => "f4",
        ("torch", "DoubleStorage" | "float64") => "f8",
        ("torch", "uint16") => "u2",
        ("torch", "uint32") => "u4",
        ("torch", "uint64") => "u8",
        _ => return None,
    };
    Some(Global::Element(descr))
}

/// The persistent object of torch.save: ("storage", type, key, device, count), and of old files a view.
pub fn storage(id: Value, pickle: &[u8]) -> Step<Value> {
    let Value::Tuple(parts) = id else { return Err(Stop::Damaged("has an unknown storage")) };
    match &parts[..] {
        [kind, Value::Global(Global::Element(descr)), key, _, Value::Int(_), ..] if kind.text(pickle).as_deref() == Some("storage") => {
            let key = key.text(pickle).ok_or(Stop::Damaged("has a storage without a key"))?;
            Ok(Value::Storage(descr, key))
        }
        _ => Err(Stop::Damaged("has an unknown storage")),
    }
}
