//! Turns the protocol buffers into Rust, without protoc.

use std::error::Error;

const ADMIN: &str = "proto/weir/admin/v1/admin.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile([ADMIN], ["proto"])?;
    tonic_prost_build::configure()
        // `weir status -o json` prints the messages as they are.
        .type_attribute(".weir.admin.v1", "#[derive(serde::Serialize)]")
        .type_attribute(".weir.admin.v1.PodDesired.place", "#[serde(rename_all = \"snake_case\")]")
        .compile_fds(descriptors)?;
    Ok(())
}
