//! The log of the app.

use napi_derive::napi;
use sdp_core::log;

/// From now on `writeLog` and panics of the engine go to this file.
#[napi]
pub fn open_log(path: String) {
    log::open(path.into());
}

/// Adds an entry. Returns whether it is in the file.
#[napi(ts_args_type = "level: 'error' | 'warn' | 'info', text: string")]
pub fn write_log(level: String, text: String) -> bool {
    log::write(&level, &text)
}
