fn main() {
    napi_build::setup();
    // Where napi's macros leave the types of the interface as they see it, for scripts/lib/nativeTypes.mjs.
    if let Ok(folder) = std::env::var("OUT_DIR") {
        println!("cargo::rustc-env=NAPI_TYPE_DEF_TMP_FOLDER={folder}");
    }
}
