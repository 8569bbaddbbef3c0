//! A stored event that was read again, ready to be delivered.

use std::sync::Arc;

use crate::decision::{Failure, FailureClass};
use crate::dialect;
use crate::event::Event;
use crate::outbox::{NewEntry, StoredEvent};

use super::delivery::DeliveryError;

/// A stored event beside what its body says.
#[derive(Clone, Debug)]
pub struct ReadEvent {
    pub stored: StoredEvent,
    pub event: Arc<Event>,
}

impl ReadEvent {
    /// Reads an event again, unless it was just read; it could be read when it was accepted.
    ///
    /// Errors: what is wrong with it, for a dead letter; with the event as it was stored.
    pub fn read(stored: StoredEvent) -> Result<ReadEvent, (Box<StoredEvent>, DeliveryError)> {
        match event_of(&stored) {
            Ok(event) => Ok(ReadEvent { stored, event }),
            Err(detail) => {
                let failure = Failure::new(FailureClass::Internal, detail);
                Err((Box::new(stored), DeliveryError::of(failure)))
            }
        }
    }
}

fn event_of(stored: &StoredEvent) -> Result<Arc<Event>, String> {
    if let Some(event) = stored.entry.read.get() {
        return Ok(event);
    }
    let NewEntry {
        dialect: form,
        hook,
        operation_id,
        body,
        ..
    } = &*stored.entry;
    dialect::read_stored(form, hook, operation_id, body.clone()).map(Arc::new)
}
