//! Why something about operators was not done.

use super::grant::Grant;

/// Why something was not done. All but the last two are about what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OperatorsError {
    #[error("this link is used, or older than an hour; `callgate operators invite` prints another")]
    Invitation,
    #[error("this link is for `{0}`")]
    OtherName(String),
    #[error("a name has 1 to 64 letters, digits and `.`, `_`, `-`, `@`")]
    Name,
    #[error("a password has at least {0} characters, at most {1} bytes, and is not the name")]
    Password(usize, usize),
    #[error("this is not the password of this name, or there is no such name")]
    Wrong,
    #[error("too many wait to log in from this network; again in {0} s")]
    TooMany(u64),
    #[error("`{0}` is there already; `callgate operators set` changes its role")]
    Taken(String),
    #[error("there is no operator or token `{0}`")]
    Unknown(String),
    #[error("`{0}` is more than whoever asks for it has")]
    Beyond(Grant),
    #[error(
        "`{0}`: an operator gives orders about every list, so a limit would keep nobody from \
         anything; name lists for a moderator, or give `*` for all of them"
    )]
    Unlimited(Grant),
    #[error("there are as many {0} as can be: {1}")]
    Full(&'static str, usize),
    #[error("the operating system has no random bytes")]
    NoRandom,
    #[error("the operators' file cannot be written or read: {0}")]
    File(#[from] rusqlite::Error),
    #[error("the operators' file cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error("{0} is no file of operators")]
    Foreign(std::path::PathBuf),
    #[error("{0} was written by a later callgate; start that one")]
    Later(std::path::PathBuf),
    #[error("the operators' file holds what callgate did not write: {0}")]
    Damaged(&'static str),
}

impl OperatorsError {
    /// It is the machine's fault, not that of who asked.
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            OperatorsError::NoRandom
                | OperatorsError::File(_)
                | OperatorsError::Folder(_)
                | OperatorsError::Foreign(_)
                | OperatorsError::Later(_)
                | OperatorsError::Damaged(_)
        )
    }
}
