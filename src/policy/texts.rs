//! How texts are judged, whatever the hook.

use strum::{IntoStaticStr, VariantArray};

use super::type_set::TypeSet;

/// What `filters` says of all texts.
#[derive(Clone, Debug)]
pub(super) struct TextRules {
    pub nested_text: NestedText,
    pub replace_in_send_hook: ReplaceInSendHook,
    pub defer_types: TypeSet,
    pub costs: TextCosts,
    /// `errDlt` names the list that blocked.
    pub tells_list: bool,
}

/// What looking at the texts of one call may cost, known before it is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextCosts {
    /// Bytes of all its texts together.
    pub text_bytes_max: usize,
    /// Those bytes times the regular expressions of the hook's lists.
    pub regex_work_max: usize,
}

impl TextCosts {
    /// Why texts of so many bytes are not searched for so many regular expressions, if they are
    /// not.
    pub(super) fn refuse(&self, bytes: usize, regexes: usize) -> Option<String> {
        let (bytes_max, work_max) = (self.text_bytes_max, self.regex_work_max);
        if bytes > bytes_max {
            let why = format!("its texts have {bytes} bytes, and text_bytes_max is {bytes_max}");
            return Some(why);
        }
        (bytes.saturating_mul(regexes) > work_max).then(|| {
            format!("{bytes} bytes of text times {regexes} regular expressions are more than regex_work_max ({work_max})")
        })
    }
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

/// What a word to be masked leads to in a hook whose answer cannot carry new text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReplaceInSendHook {
    #[default]
    Block,
    /// The message passes; the call that follows about the same message masks it.
    Defer,
}

/// What a word to be masked leads to where it can be masked neither in this call nor in one that
/// follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CannotReplace {
    /// The act is refused, with the list's code and reason.
    #[default]
    Block,
    /// It stays as it is, and nobody is told.
    Allow,
    /// It stays as it is, and the match is reported.
    Flag,
}
