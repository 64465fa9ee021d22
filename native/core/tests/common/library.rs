//! Where the ONNX Runtime library of this checkout is.

use std::path::{Path, PathBuf};

pub fn runtime_library() -> PathBuf {
    let name = if cfg!(target_os = "macos") { "libonnxruntime.1.dylib" } else { "libonnxruntime.so.1" };
    let (os, arch) =
        (if cfg!(target_os = "macos") { "darwin" } else { "linux" }, if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../node_modules/onnxruntime-node/bin/napi-v6").join(os).join(arch).join(name);
    assert!(path.exists(), "the ONNX Runtime library is missing: run \"npm run setup\" first");
    path
}
