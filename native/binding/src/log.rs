//! The log of the app.

use napi_derive::napi;
use sdp_core::log;

#[napi]
pub fn open_log(path: String) {
    log::open(path.into());
}

#[napi]
pub fn write_log(level: String, text: String) -> bool {
    log::write(&level, &text)
}
