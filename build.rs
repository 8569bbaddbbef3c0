//! Compiles the proto files with protox, so that a machine needs no protoc.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["callgate/v1/callgate.proto", "wkhook.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let bytes = prost::Message::encode_to_vec(&descriptors);
    fs::write(out.join("callgate_descriptors.bin"), bytes)?;
    tonic_prost_build::configure()
        .bytes(".wkhook")
        .compile_fds(descriptors)?;
    Ok(())
}
