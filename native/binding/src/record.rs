//! Records of the core on their way from and to JavaScript, and their schemas, of which its types and the checks of messages are made.
//!
//! From JavaScript they come as the JSON that it makes of them: numbers arrive exactly, and what is not finite is refused. To JavaScript they
//! go value by value, since results may have numbers that JSON has not.

#![allow(unsafe_code)]

use napi::bindgen_prelude::{FromNapiValue, JsObjectValue, ToNapiValue, TypeName, Unknown, ValidateNapiValue};
use napi::{Env, JSON, JsValue, ValueType, sys};
use napi_derive::napi;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use sdp_core::error::Error;
use sdp_core::nvidia::{cards, library};
use sdp_core::store::{self, control};
use sdp_core::{device, layout, norms, process, records, spec, state, timing};
use sdp_data::inspect;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// An error of the core as JavaScript sees it: `code: sentence`.
pub fn raise(error: Error) -> napi::Error {
    napi::Error::from_reason(error.to_string())
}

/// A record. In JavaScript it is the record itself.
pub struct Js<T>(pub T);

impl<T> TypeName for Js<T> {
    fn type_name() -> &'static str {
        std::any::type_name::<T>()
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl<T> ValidateNapiValue for Js<T> {}

impl<T: DeserializeOwned> FromNapiValue for Js<T> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Self> {
        // SAFETY: both are valid, as the caller guarantees.
        let value = unsafe { Unknown::from_napi_value(env, value) }?;
        let json: JSON = Env::from_raw(env).get_global()?.get_named_property_unchecked("JSON")?;
        let text = json.stringify(value)?;
        let record = serde_json::from_str(&text);
        record.map(Self).map_err(|error| raise(Error::Internal(format!("{}: {error}", std::any::type_name::<T>()))))
    }
}

impl<T: Serialize> ToNapiValue for Js<T> {
    unsafe fn to_napi_value(env: sys::napi_env, record: Self) -> napi::Result<sys::napi_value> {
        Ok(Env::from_raw(env).to_js_value(&record.0)?.raw())
    }
}

/// JSON schemas of all records by name.
#[napi]
pub fn record_schemas() -> String {
    let mut taken = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    taken.subschema_for::<spec::DeviceOptions>();
    taken.subschema_for::<spec::EvaluateSpec>();
    taken.subschema_for::<spec::Sampling>();
    taken.subschema_for::<spec::InitSpec>();
    taken.subschema_for::<spec::SessionSpec>();
    taken.subschema_for::<spec::TrainSpec>();
    taken.subschema_for::<state::WriteOptions>();
    taken.subschema_for::<timing::TimingOptions>();
    let mut given = SchemaSettings::draft2020_12().for_serialize().into_generator();
    given.subschema_for::<cards::NvidiaCards>();
    given.subschema_for::<control::Progress>();
    given.subschema_for::<device::CopyReport>();
    given.subschema_for::<device::MemorySample>();
    // It is taken, as JSON; whoever makes it leaves nothing out.
    given.subschema_for::<layout::Layout>();
    given.subschema_for::<library::NvidiaLibrary>();
    given.subschema_for::<norms::GradientNorms>();
    given.subschema_for::<process::CpuDescription>();
    given.subschema_for::<records::StepRecords>();
    given.subschema_for::<spec::EvaluateResult>();
    given.subschema_for::<spec::TrainResult>();
    given.subschema_for::<store::StoreState>();
    given.subschema_for::<inspect::Verdict>();
    let definitions = |generator: &mut SchemaGenerator| generator.take_definitions(true);
    let all: Map<String, Value> = definitions(&mut taken).into_iter().chain(definitions(&mut given)).collect();
    json!({ "$defs": all }).to_string()
}
