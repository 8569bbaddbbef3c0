//! Compiles the proto files with protox, so that a machine needs no protoc.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["callgate/v1/callgate.proto", "wkhook.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let bytes = prost::Message::encode_to_vec(&descriptors);
    fs::write(out.join("callgate_descriptors.bin"), bytes)?;
    fs::write(out.join("admin_methods.rs"), admin_methods(&descriptors)?)?;
    tonic_prost_build::configure()
        .bytes(".wkhook")
        .compile_fds(descriptors)?;
    Ok(())
}

/// The methods of `AdminService` as an enum: who matches on it forgets none, because it would not
/// compile.
fn admin_methods(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let services = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "callgate.v1")
        .flat_map(|file| &file.service);
    let service = services
        .clone()
        .find(|service| service.name() == "AdminService")
        .ok_or("there is no callgate.v1.AdminService")?;
    let (mut names, mut all, mut paths) = (String::new(), String::new(), String::new());
    for method in &service.method {
        let name = method.name();
        names += &format!("    {name},\n");
        all += &format!("        AdminMethod::{name},\n");
        paths +=
            &format!("            AdminMethod::{name} => \"/callgate.v1.AdminService/{name}\",\n");
    }
    let count = service.method.len();
    Ok(format!(
        "/// The methods of `callgate.v1.AdminService`.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq)]\n\
         pub enum AdminMethod {{\n{names}}}\n\n\
         impl AdminMethod {{\n\
         \x20   pub const ALL: [AdminMethod; {count}] = [\n{all}    ];\n\n\
         \x20   /// What it is called by over HTTP/2.\n\
         \x20   pub const fn path(self) -> &'static str {{\n\
         \x20       match self {{\n{paths}        }}\n    }}\n}}\n"
    ))
}
