//! The generated types of `proto/`, one module per package.
//!
//! No IO, no clock.

/// callgate's own API.
pub mod v1 {
    tonic::include_proto!("callgate.v1");
}

/// The webhook service that WuKongIM calls.
pub mod wkhook {
    tonic::include_proto!("wkhook");
}

include!(concat!(env!("OUT_DIR"), "/admin_methods.rs"));

/// All of `proto/` as a `FileDescriptorSet`, for the reflection service.
pub const DESCRIPTORS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/callgate_descriptors.bin"));
