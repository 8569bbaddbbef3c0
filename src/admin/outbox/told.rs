//! How the outbox says that something was not done.

use tonic::Status;

use crate::outbox::OutboxError;

pub(super) fn failed(error: OutboxError) -> Status {
    match error {
        OutboxError::DiskFull(_) => Status::resource_exhausted(error.to_string()),
        OutboxError::Closed => Status::unavailable(error.to_string()),
        OutboxError::Failed(_) => Status::internal(error.to_string()),
    }
}
