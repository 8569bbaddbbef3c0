//! Operators: who is one, and what makes, changes and ends what they are known by.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::error::OperatorsError;
use super::file::File;
use super::grant::{Grant, ListLimit, Rights, Role};
use super::known::{INVITATION_MS, Identity, Invitation, Known, Operator, Session, Token, is_name};
use super::passwords::Passwords;
use super::secret::{Secret, random};
use super::throttle::Throttle;
use crate::clock::Clock;
use crate::policy::Digest;

pub(super) const OPERATORS_MAX: usize = 1000;
const TOKENS_MAX: usize = 1000;
const INVITATIONS_MAX: usize = 1000;
/// Of one operator; one more ends the oldest.
pub(super) const SESSIONS_MAX: usize = 16;
/// How often it is written when sessions and tokens were used last.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// All operators, their sessions, tokens and invitations, and their file.
#[derive(Debug)]
pub struct Operators {
    pub(super) clock: Clock,
    pub(super) known: ArcSwap<Known>,
    file: Mutex<File>,
    pub(super) passwords: Passwords,
    pub(super) throttle: Throttle,
    /// Times of use that are in the file; what is newer is written now and then.
    written_ms: AtomicU64,
}

/// An invitation: what its link ends in, and until when.
#[derive(Debug)]
pub struct Invited {
    pub secret: Secret,
    pub expires_ms: u64,
}

/// What becomes of an operator; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub role: Option<Role>,
    pub rights: Option<Rights>,
    pub lists: Option<ListLimit>,
    pub disabled: Option<bool>,
}

impl Operators {
    /// Reads the file, if there is one. It is made with the first operator or token.
    ///
    /// Errors: it is none of ours, or cannot be read: nobody is let in by guessing what it says.
    pub fn open(path: &Path, clock: Clock) -> Result<Operators, OperatorsError> {
        let (file, known) = File::open(path)?;
        Ok(Operators {
            clock,
            known: ArcSwap::from_pointee(known),
            file: Mutex::new(file),
            passwords: Passwords::new(),
            throttle: Throttle::new(clock),
            written_ms: AtomicU64::new(clock.now_ms()),
        })
    }

    /// From the first operator on, for good: one who is gone does not open the port again.
    pub fn is_set_up(&self) -> bool {
        !self.known.load().operators.is_empty()
    }

    pub fn by_session(&self, shown: &[u8]) -> Option<Identity> {
        let now_ms = self.clock.now_ms();
        self.known.load().by_session(&Digest::of(shown), now_ms)
    }

    pub fn by_token(&self, shown: &[u8]) -> Option<Identity> {
        let now_ms = self.clock.now_ms();
        self.known.load().by_token(&Digest::of(shown), now_ms)
    }

    /// Whether somebody may still do what they could; looking is no use of a session.
    pub fn still_knows(&self, identity: &Identity) -> bool {
        self.known.load().still_knows(identity, self.clock.now_ms())
    }

    /// By name.
    pub fn operators(&self) -> Vec<Operator> {
        let mut all = self.known.load().operators.clone();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    pub fn operator(&self, id: u64) -> Option<Operator> {
        self.known.load().operator(id).cloned()
    }

    /// Newest first, of one operator, or of all.
    pub fn tokens(&self, of: Option<u64>) -> Vec<Token> {
        let mut tokens = self.known.load().tokens.clone();
        tokens.retain(|token| of.is_none() || token.operator == of);
        tokens.reverse();
        tokens
    }

    pub fn sessions(&self, of: u64) -> Vec<Session> {
        let known = self.known.load();
        let mut sessions = known.sessions.clone();
        sessions.retain(|session| session.operator == of);
        sessions.reverse();
        sessions
    }

    /// A link for the first operator, who names himself. It is in memory alone: the next start
    /// makes another. `None`: there is an operator.
    pub fn invite_first(&self) -> Result<Option<Invited>, OperatorsError> {
        if self.is_set_up() {
            return Ok(None);
        }
        let _file = self.file();
        let mut next = Known::clone(&self.known.load());
        let invited = self.add_invitation(&mut next, None, Grant::ALL)?;
        self.known.store(Arc::new(next));
        Ok(Some(invited))
    }

    /// A link for a new operator with a grant; or for one who is there, to set another password:
    /// `grant` is then `None`. Blocks for one write to disk.
    ///
    /// Errors: `by` may less than it gives away.
    pub fn invite(
        &self,
        name: &str,
        grant: Option<Grant>,
        by: &Grant,
    ) -> Result<Invited, OperatorsError> {
        if !is_name(name) {
            return Err(OperatorsError::Name);
        }
        self.change(|known| {
            let grant = match (known.named(name), grant) {
                (Some(there), None) => there.grant.clone(),
                (Some(there), Some(_)) => return Err(OperatorsError::Taken(there.name.clone())),
                (None, None) => return Err(OperatorsError::Unknown(name.to_owned())),
                (None, Some(grant)) => grant,
            };
            allow(by, &grant)?;
            self.add_invitation(known, Some(name.to_owned()), grant)
        })
    }

    fn add_invitation(
        &self,
        known: &mut Known,
        name: Option<String>,
        grant: Grant,
    ) -> Result<Invited, OperatorsError> {
        room(known.invitations.len(), INVITATIONS_MAX, "invitations")?;
        let secret = Secret::new()?;
        let expires_ms = self.clock.now_ms() + INVITATION_MS;
        known.invitations.push(Invitation {
            secret: secret.digest(),
            name,
            grant,
            expires_ms,
        });
        Ok(Invited { secret, expires_ms })
    }

    /// Ends one session. Blocks for one write to disk.
    pub fn log_out(&self, secret: &Digest) -> Result<(), OperatorsError> {
        self.change(|known| {
            let is_it = |session: &Session| bool::from(session.secret.is(secret));
            known.sessions.retain(|session| !is_it(session));
            Ok(())
        })
    }

    /// Ends all sessions of an operator but one. Blocks for one write to disk.
    pub fn log_out_others(&self, operator: u64, kept: &Digest) -> Result<(), OperatorsError> {
        self.change(|known| {
            let stays =
                |session: &Session| session.operator != operator || session.secret.is(kept).into();
            known.sessions.retain(stays);
            Ok(())
        })
    }

    /// Ends all sessions of an operator. Blocks for one write to disk.
    ///
    /// Errors: nobody has this name, or `by` may less than the operator.
    pub fn end_sessions(&self, name: &str, by: &Grant) -> Result<(), OperatorsError> {
        self.change(|known| {
            let unknown = || OperatorsError::Unknown(name.to_owned());
            let operator = known.named(name).ok_or_else(unknown)?;
            allow(by, &operator.grant)?;
            let id = operator.id;
            known.end_sessions_of(id);
            Ok(())
        })
    }

    /// Changes what an operator may, or whether he may anything. His sessions end. Blocks for one
    /// write to disk.
    ///
    /// Errors: nobody has this name, or `by` may less than the operator or the new grant.
    pub fn set(&self, name: &str, change: Change, by: &Grant) -> Result<Operator, OperatorsError> {
        self.change(|known| {
            let unknown = || OperatorsError::Unknown(name.to_owned());
            let operator = known.named_mut(name).ok_or_else(unknown)?;
            allow(by, &operator.grant)?;
            let grant = Grant {
                role: change.role.unwrap_or(operator.grant.role),
                rights: change.rights.unwrap_or(operator.grant.rights),
                lists: change.lists.unwrap_or_else(|| operator.grant.lists.clone()),
            };
            allow(by, &grant)?;
            operator.grant = grant;
            operator.disabled = change.disabled.unwrap_or(operator.disabled);
            let operator = operator.clone();
            known.end_sessions_of(operator.id);
            // A link that was for this name would undo it.
            let lower = operator.name.to_lowercase();
            let is_other = |one: &Invitation| {
                one.name
                    .as_ref()
                    .is_none_or(|name| name.to_lowercase() != lower)
            };
            known.invitations.retain(is_other);
            Ok(operator)
        })
    }

    /// A new token, an operator's own or a program's. Blocks for one write to disk.
    ///
    /// Errors: `by` may less than the token would.
    pub fn make_token(
        &self,
        name: &str,
        operator: Option<u64>,
        grant: Grant,
        lives: Duration,
        by: &Grant,
    ) -> Result<(Secret, Token), OperatorsError> {
        if !is_name(name) {
            return Err(OperatorsError::Name);
        }
        allow(by, &grant)?;
        let secret = Secret::new_token()?;
        let lives_ms = u64::try_from(lives.as_millis()).unwrap_or(u64::MAX);
        let token = Token {
            secret: secret.digest(),
            id: random::<4>()?
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            name: name.to_owned(),
            operator,
            grant,
            expires_ms: self.clock.now_ms().saturating_add(lives_ms),
            used_ms: Arc::default(),
        };
        self.change(|known| {
            room(known.tokens.len(), TOKENS_MAX, "tokens")?;
            known.tokens.push(token.clone());
            Ok((secret, token))
        })
    }

    /// Takes a token away, by its id; of one operator alone, or whosever it is. Blocks for one
    /// write to disk.
    pub fn remove_token(&self, id: &str, of: Option<u64>) -> Result<(), OperatorsError> {
        self.change(|known| {
            let before = known.tokens.len();
            let is_it = |token: &Token| token.id == id && (of.is_none() || token.operator == of);
            known.tokens.retain(|token| !is_it(token));
            match known.tokens.len() < before {
                true => Ok(()),
                false => Err(OperatorsError::Unknown(id.to_owned())),
            }
        })
    }

    /// Writes now and then when sessions and tokens were used last, and forgets what is over,
    /// until `stop`.
    pub async fn keep_on(self: Arc<Self>, stop: CancellationToken) {
        let mut goes_on = true;
        while goes_on {
            tokio::select! {
                () = tokio::time::sleep(WRITE_EVERY) => {}
                () = stop.cancelled() => goes_on = false,
            }
            let this = Arc::clone(&self);
            let written = tokio::task::spawn_blocking(move || this.write_uses()).await;
            if let Ok(Err(error)) = written {
                warn!(%error, "when operators were here last is not written");
            }
        }
    }

    fn write_uses(&self) -> Result<(), OperatorsError> {
        let since = self.written_ms.load(Ordering::Relaxed);
        let known = self.known.load();
        let sessions = known.sessions.iter().map(Session::seen_ms);
        let used = sessions.chain(known.tokens.iter().map(Token::used_ms));
        match used.max() {
            Some(last) if last > since => {
                self.written_ms.store(last, Ordering::Relaxed);
                self.change(|_| Ok(()))
            }
            _ => Ok(()),
        }
    }

    /// The same away from who answers others: a disk that stalls must not stop them.
    pub(super) async fn change_aside<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Operators, &mut Known) -> Result<T, OperatorsError> + Send + 'static,
    ) -> Result<T, OperatorsError> {
        let this = Arc::clone(self);
        let changing =
            tokio::task::spawn_blocking(move || this.change(|known| change(&this, known)));
        let done = changing.await;
        done.map_err(|error| OperatorsError::Folder(std::io::Error::other(error)))?
    }

    /// On disk first, and then for everybody; or not at all.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Known) -> Result<T, OperatorsError>,
    ) -> Result<T, OperatorsError> {
        let mut file = self.file();
        let mut next = Known::clone(&self.known.load());
        next.forget(self.clock.now_ms());
        let done = change(&mut next)?;
        file.write(&next)?;
        self.known.store(Arc::new(next));
        Ok(done)
    }

    // Whoever panicked had written nothing, or all of it.
    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody gives away more than he has.
fn allow(by: &Grant, given: &Grant) -> Result<(), OperatorsError> {
    match by.covers(given) {
        true if given.is_sound() => Ok(()),
        true => Err(OperatorsError::Unlimited(given.clone())),
        false => Err(OperatorsError::Beyond(given.clone())),
    }
}

pub(super) fn room(count: usize, max: usize, what: &'static str) -> Result<(), OperatorsError> {
    match count < max {
        true => Ok(()),
        false => Err(OperatorsError::Full(what, max)),
    }
}
