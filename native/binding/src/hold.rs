//! Files that this process holds.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use napi_derive::napi;
use sdp_core::hold;

use crate::convert::raise;

#[napi]
pub struct NativeHold(Mutex<Option<File>>);

#[napi]
pub fn hold_file(path: String) -> napi::Result<Option<NativeHold>> {
    let held = hold::hold(path.as_ref()).map_err(raise)?;
    Ok(held.map(|file| NativeHold(Mutex::new(Some(file)))))
}

#[napi]
pub fn is_held(path: String) -> bool {
    hold::is_held(path.as_ref())
}

#[napi]
impl NativeHold {
    #[napi]
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
