//! Generates KEDA's service from `proto/` where the feature is on: in Rust, so that nobody needs `protoc`.

#[cfg(feature = "keda")]
#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder so")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::path::PathBuf;

    const PROTO: &str = "proto/externalscaler.proto";

    println!("cargo::rerun-if-changed={PROTO}");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    let folder = PathBuf::from(std::env::var("OUT_DIR")?);
    // What reflection answers from.
    std::fs::write(folder.join("externalscaler.bin"), protox::prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(descriptors)?;
    Ok(())
}

#[cfg(not(feature = "keda"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
