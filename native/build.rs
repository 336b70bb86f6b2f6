fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Only the addon resolves Node's symbols at load time.
    if std::env::var_os("CARGO_FEATURE_ADDON").is_some() {
        napi_build::setup();
    }
}
