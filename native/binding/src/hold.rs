//! Files that this process holds.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use napi_derive::napi;
use sdp_core::hold;

use crate::record::raise;

/// A file that this process holds.
#[napi]
pub struct NativeHold(Mutex<Option<File>>);

/// Takes a file for as long as the handle is open and this process lives; it is made where it is missing. Null where it is held, here or elsewhere.
#[napi]
pub fn hold_file(path: String) -> napi::Result<Option<NativeHold>> {
    let held = hold::hold(path.as_ref()).map_err(raise)?;
    Ok(held.map(|file| NativeHold(Mutex::new(Some(file)))))
}

/// Whether anyone holds a file.
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
