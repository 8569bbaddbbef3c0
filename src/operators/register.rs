//! Operators: who is one, and what makes, changes and ends what they are known by.

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::error::OperatorsError;
use super::file::File;
use super::grant::{Grant, Rights, Role};
use super::known::{INVITATION_MS, Identity, Invitation, Known, Operator, Session, Token, is_name};
use super::passwords::{Hashed, Passwords};
use super::secret::{Secret, random};
use super::throttle::{Network, Throttle};
use crate::clock::Clock;
use crate::policy::Digest;

const OPERATORS_MAX: usize = 1000;
const TOKENS_MAX: usize = 1000;
const INVITATIONS_MAX: usize = 1000;
/// Of one operator; one more ends the oldest.
const SESSIONS_MAX: usize = 16;
/// How often it is written when sessions and tokens were used last.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// All operators, their sessions, tokens and invitations, and their file.
#[derive(Debug)]
pub struct Operators {
    clock: Clock,
    known: ArcSwap<Known>,
    file: Mutex<File>,
    passwords: Passwords,
    throttle: Throttle,
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    pub role: Option<Role>,
    pub rights: Option<Rights>,
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
        by: Grant,
    ) -> Result<Invited, OperatorsError> {
        if !is_name(name) {
            return Err(OperatorsError::Name);
        }
        self.change(|known| {
            let grant = match (known.named(name), grant) {
                (Some(there), None) => there.grant,
                (Some(there), Some(_)) => return Err(OperatorsError::Taken(there.name.clone())),
                (None, None) => return Err(OperatorsError::Unknown(name.to_owned())),
                (None, Some(grant)) => grant,
            };
            allow(by, grant)?;
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

    /// Uses a link up: its operator has this password, and is logged in.
    ///
    /// Errors: the link is used or too old, or what was chosen does not do; then it stays good.
    pub async fn accept(
        self: &Arc<Self>,
        shown: &str,
        name: &str,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<Secret, OperatorsError> {
        let shown = Digest::of(shown.as_bytes());
        self.invitation(&self.known.load(), &shown, name)?;
        let password = self.passwords.keep(name, password).await?;
        // Looked at again: another may have used it meanwhile.
        let name = name.to_owned();
        self.change_aside(move |this, known| {
            let invitation = this.invitation(known, &shown, &name)?;
            known
                .invitations
                .retain(|one| !bool::from(one.secret.is(&shown)));
            let operator = this.settle(known, &name, invitation.grant, password)?;
            known.end_sessions_of(operator);
            this.begin_session(known, operator, from)
        })
        .await
    }

    /// Whether a link would be taken from somebody of this name.
    pub fn check_invitation(&self, shown: &str, name: &str) -> Result<(), OperatorsError> {
        let shown = Digest::of(shown.as_bytes());
        self.invitation(&self.known.load(), &shown, name).map(drop)
    }

    fn invitation(
        &self,
        known: &Known,
        shown: &Digest,
        name: &str,
    ) -> Result<Invitation, OperatorsError> {
        let invitation = known.invitation(shown, self.clock.now_ms());
        let invitation = invitation.ok_or(OperatorsError::Invitation)?.clone();
        match &invitation.name {
            Some(own) if own.to_lowercase() != name.to_lowercase() => {
                Err(OperatorsError::OtherName(own.clone()))
            }
            _ if !is_name(name) => Err(OperatorsError::Name),
            _ => Ok(invitation),
        }
    }

    /// The operator with a new password: a new one, or one who was there.
    fn settle(
        &self,
        known: &mut Known,
        name: &str,
        grant: Grant,
        password: Hashed,
    ) -> Result<u64, OperatorsError> {
        if let Some(operator) = known.named_mut(name) {
            operator.password = Some(password);
            operator.disabled = false;
            return Ok(operator.id);
        }
        room(known.operators.len(), OPERATORS_MAX, "operators")?;
        let last = known.operators.iter().map(|operator| operator.id).max();
        let id = last.map_or(1, |last| last + 1);
        known.operators.push(Operator {
            id,
            name: name.to_owned(),
            grant,
            disabled: false,
            password: Some(password),
            made_ms: self.clock.now_ms(),
        });
        Ok(id)
    }

    /// Logs somebody in; `old` is the secret of the session that the browser had, which ends.
    ///
    /// Errors: the name or the password is wrong, which takes equally long.
    pub async fn log_in(
        self: &Arc<Self>,
        name: &str,
        password: String,
        from: Option<IpAddr>,
        old: Option<&[u8]>,
    ) -> Result<Secret, OperatorsError> {
        let network = Network::of(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        let one = self.throttle.wait(name, network).await?;
        let operator = self.known.load().named(name).cloned();
        let operator = operator.filter(|operator| !operator.disabled);
        let kept = operator
            .as_ref()
            .and_then(|operator| operator.password.clone());
        let is_right = self.passwords.check(kept.clone(), password).await?;
        let operator = operator.filter(|_| is_right).ok_or(OperatorsError::Wrong)?;
        one.succeeded();
        let old = old.map(Digest::of);
        self.change_aside(move |this, known| {
            // Whoever was shut out meanwhile stays out.
            let there = known.operator(operator.id).filter(|one| !one.disabled);
            if there.is_none_or(|there| there.password != kept) {
                return Err(OperatorsError::Wrong);
            }
            let is_old = |session: &Session| old.is_some_and(|old| session.secret.is(&old).into());
            known.sessions.retain(|session| !is_old(session));
            this.begin_session(known, operator.id, from)
        })
        .await
    }

    fn begin_session(
        &self,
        known: &mut Known,
        operator: u64,
        from: Option<IpAddr>,
    ) -> Result<Secret, OperatorsError> {
        let secret = Secret::new()?;
        let now_ms = self.clock.now_ms();
        known.sessions.push(Session {
            secret: secret.digest(),
            operator,
            from,
            made_ms: now_ms,
            seen_ms: Arc::new(AtomicU64::new(now_ms)),
        });
        let is_own = |session: &Session| session.operator == operator;
        let own = known
            .sessions
            .iter()
            .filter(|session| is_own(session))
            .count();
        if own > SESSIONS_MAX
            && let Some(oldest) = known.sessions.iter().position(is_own)
        {
            known.sessions.remove(oldest);
        }
        Ok(secret)
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

    /// Another password: all sessions end, and the one who changed it has a new one.
    ///
    /// Errors: the old one is wrong; guessing it is as slow as at the login.
    pub async fn change_password(
        self: &Arc<Self>,
        operator: u64,
        old: String,
        new: String,
        from: Option<IpAddr>,
    ) -> Result<Secret, OperatorsError> {
        let known = self.operator(operator).ok_or(OperatorsError::Wrong)?;
        let network = Network::of(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        let one = self.throttle.wait(&known.name, network).await?;
        if !self.passwords.check(known.password.clone(), old).await? {
            return Err(OperatorsError::Wrong);
        }
        one.succeeded();
        let password = self.passwords.keep(&known.name, new).await?;
        self.change_aside(move |this, all| {
            let there = all.named_mut(&known.name);
            let there = there.filter(|there| there.password == known.password);
            there.ok_or(OperatorsError::Wrong)?.password = Some(password);
            all.end_sessions_of(operator);
            this.begin_session(all, operator, from)
        })
        .await
    }

    /// Changes what an operator may, or whether he may anything. His sessions end. Blocks for one
    /// write to disk.
    ///
    /// Errors: nobody has this name, or `by` may less than the operator or the new grant.
    pub fn set(&self, name: &str, change: Change, by: Grant) -> Result<Operator, OperatorsError> {
        self.change(|known| {
            let unknown = || OperatorsError::Unknown(name.to_owned());
            let operator = known.named_mut(name).ok_or_else(unknown)?;
            allow(by, operator.grant)?;
            let grant = Grant {
                role: change.role.unwrap_or(operator.grant.role),
                rights: change.rights.unwrap_or(operator.grant.rights),
            };
            allow(by, grant)?;
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
        by: Grant,
    ) -> Result<(Secret, Token), OperatorsError> {
        if !is_name(name) {
            return Err(OperatorsError::Name);
        }
        allow(by, grant)?;
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

    /// A login without what goes before and after it.
    #[cfg(test)]
    pub(super) async fn passwords_check(
        &self,
        name: &str,
        password: &str,
    ) -> Result<bool, OperatorsError> {
        let kept = self.known.load().named(name).cloned();
        let kept = kept.and_then(|operator| operator.password);
        self.passwords.check(kept, password.to_owned()).await
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
    async fn change_aside<T: Send + 'static>(
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
fn allow(by: Grant, given: Grant) -> Result<(), OperatorsError> {
    match by.covers(given) {
        true => Ok(()),
        false => Err(OperatorsError::Beyond(given)),
    }
}

fn room(count: usize, max: usize, what: &'static str) -> Result<(), OperatorsError> {
    match count < max {
        true => Ok(()),
        false => Err(OperatorsError::Full(what, max)),
    }
}
