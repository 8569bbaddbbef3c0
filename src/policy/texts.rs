//! How texts are judged, whatever the hook.

use strum::{IntoStaticStr, VariantArray};

use super::type_set::TypeSet;

/// What `filters` says of all texts.
#[derive(Clone, Debug)]
pub(super) struct TextRules {
    pub nested_text: NestedText,
    pub replace_in_send_hook: ReplaceInSendHook,
    pub defer_types: TypeSet,
}

/// What a word in a quoted or forwarded message leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum NestedText {
    /// As if the sender had said it.
    #[default]
    Block,
    /// It is masked, whatever its list says.
    Mask,
    /// It is not looked at.
    Ignore,
}

/// What a word to be masked leads to where the answer cannot carry new text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReplaceInSendHook {
    #[default]
    Block,
    /// The message passes; the call that follows about the same message masks it.
    Defer,
}
