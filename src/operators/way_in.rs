//! The way in: links that are followed, logins, another password.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::OperatorsError;
use super::grant::Grant;
use super::known::{Invitation, Known, Operator, PROOF_MS, Session, is_name};
use super::passwords::Hashed;
use super::register::{OPERATORS_MAX, Operators, SESSIONS_MAX, room};
use super::secret::Secret;
use super::throttle::Network;
use crate::policy::Digest;

impl Operators {
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
            proved_ms: Arc::new(AtomicU64::new(now_ms)),
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

    /// Whether the password of a session was given within the last 10 minutes.
    pub fn is_proved(&self, session: &Digest) -> bool {
        let (known, now_ms) = (self.known.load(), self.clock.now_ms());
        let session = known.session(session, now_ms);
        let proved_ms = session.map(|session| session.proved_ms.load(Ordering::Relaxed));
        proved_ms.is_some_and(|proved_ms| now_ms < proved_ms.saturating_add(PROOF_MS))
    }

    /// Takes the password of a session again.
    ///
    /// Errors: it is wrong; guessing it is as slow as at the login.
    pub async fn prove(
        &self,
        session: &Digest,
        password: String,
        from: Option<IpAddr>,
    ) -> Result<(), OperatorsError> {
        let of_session = |known: &Known| known.session(session, self.clock.now_ms()).cloned();
        let session = of_session(&self.known.load()).ok_or(OperatorsError::Wrong)?;
        let operator = self.operator(session.operator);
        let operator = operator.ok_or(OperatorsError::Wrong)?;
        let network = Network::of(from.unwrap_or(IpAddr::from([0, 0, 0, 0])));
        let one = self.throttle.wait(&operator.name, network).await?;
        if !self.passwords.check(operator.password, password).await? {
            return Err(OperatorsError::Wrong);
        }
        one.succeeded();
        let now_ms = self.clock.now_ms();
        session.proved_ms.store(now_ms, Ordering::Relaxed);
        Ok(())
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
}
