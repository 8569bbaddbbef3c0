//! What an operator says about FUNTEK.

use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FuntekOptions {
    /// The user that warnings are posted as; its own messages are left alone.
    pub bot: Option<Arc<str>>,
}
