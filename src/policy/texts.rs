//! How texts are judged, whatever the hook.

use strum::{IntoStaticStr, VariantArray};

use super::type_set::TypeSet;
use crate::filter::{Budget, STEPS_PER_BYTE, Spent};

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

/// What looking at the texts of one call may cost: counted, and never by a clock, so that the same
/// call always ends in the same way.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextCosts {
    /// Bytes of all its texts together.
    pub text_bytes_max: usize,
    /// Steps of looking for words, however long the texts are.
    pub scan_steps_max: u64,
    /// Bytes that regular expressions read, each as often as one reads it.
    pub regex_work_max: u64,
    /// Bytes of all masked texts together.
    pub masked_bytes_max: usize,
}

impl TextCosts {
    /// Why texts of so many bytes are not searched, if they are not.
    pub(super) fn refuse(&self, bytes: usize) -> Option<String> {
        let bytes_max = self.text_bytes_max;
        (bytes > bytes_max)
            .then(|| format!("its texts have {bytes} bytes, and text_bytes_max is {bytes_max}"))
    }

    /// What searching texts of so many bytes may take, and no more than so many steps.
    pub(super) fn budget(&self, bytes: usize, steps_max: u64) -> Budget {
        let words = self.scan_steps_max.min(steps_max);
        let regexes = self.regex_work_max.min(steps_max);
        Budget::new(bytes, words, regexes)
    }

    /// Why texts were not searched to the end.
    pub(super) fn why(&self, spent: Spent, bytes: usize) -> String {
        match spent {
            Spent::Steps => format!(
                "its {bytes} bytes of text take more steps than {bytes} bytes may (4000000 and {STEPS_PER_BYTE} a byte, but at most scan_steps_max, {})",
                self.scan_steps_max
            ),
            Spent::Regexes => format!(
                "regular expressions take more steps in its {bytes} bytes of text than regex_work_max ({})",
                self.regex_work_max
            ),
        }
    }

    pub(super) fn why_not_masked(&self) -> String {
        format!(
            "its masked texts would have more bytes than masked_bytes_max ({})",
            self.masked_bytes_max
        )
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
