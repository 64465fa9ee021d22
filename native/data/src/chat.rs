//! Chats as text: `<|im_start|>ROLE\nCONTENT<|im_end|>\n` for each message, of `role` and `content` or of `from` and `value`.

use serde_json::Value;

/// Messages as one text, and how many of them call tools, which are not written; none where a value is something else.
pub fn written(value: &Value) -> Option<(String, u64)> {
    let messages = value.as_array().filter(|messages| !messages.is_empty())?;
    let (mut text, mut calls) = (String::new(), 0);
    for message in messages {
        let of = |names: [&str; 2]| names.iter().find_map(|name| message.get(name));
        let role = match of(["role", "from"])?.as_str()? {
            "human" => "user",
            "gpt" => "assistant",
            other => other,
        };
        let content = match of(["content", "value"]) {
            Some(Value::String(text)) => text.clone(),
            // Parts of several kinds, of which the text counts.
            Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
            Some(Value::Null) => String::new(),
            None if has_calls(message) => String::new(),
            _ => return None,
        };
        calls += u64::from(has_calls(message));
        text += &format!("<|im_start|>{role}\n{content}<|im_end|>\n");
    }
    Some((text, calls))
}

fn has_calls(message: &Value) -> bool {
    let called = ["tool_calls", "function_call"].iter().filter_map(|name| message.get(name));
    called.into_iter().any(|calls| !calls.is_null() && calls.as_array().is_none_or(|calls| !calls.is_empty()))
}
