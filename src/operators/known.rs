//! All that is known of operators, as values: who is who by what is shown.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::grant::Grant;
use super::passwords::Hashed;
use crate::policy::Digest;

const HOUR_MS: u64 = 3600 * 1000;
/// Without a request a session ends.
pub(super) const SESSION_IDLE_MS: u64 = 12 * HOUR_MS;
/// And in any case.
pub(super) const SESSION_MAX_MS: u64 = 7 * 24 * HOUR_MS;
/// For so long nobody is asked for the password again.
pub(super) const PROOF_MS: u64 = 10 * 60 * 1000;
pub(super) const INVITATION_MS: u64 = HOUR_MS;
const NAME_CHARS_MAX: usize = 64;

/// Somebody, or something, that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub name: String,
    pub grant: Grant,
    pub by: By,
}

/// What it is known by.
#[derive(Clone, Debug, PartialEq)]
pub enum By {
    /// The operator is logged in.
    Session { operator: u64, secret: Digest },
    /// A token was shown; its id is no secret.
    Token { id: String },
    /// A reverse proxy says so.
    Proxy,
}

#[derive(Clone, Debug)]
pub struct Operator {
    pub id: u64,
    pub name: String,
    pub grant: Grant,
    pub disabled: bool,
    pub(super) password: Option<Hashed>,
    /// Milliseconds since 1970.
    pub made_ms: u64,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub(super) secret: Digest,
    pub operator: u64,
    /// From where it was begun.
    pub from: Option<IpAddr>,
    pub made_ms: u64,
    /// When it was used last; looked at and set without the file.
    pub(super) seen_ms: Arc<AtomicU64>,
    /// When the password was given last; after a restart that is the login.
    pub(super) proved_ms: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub(super) secret: Digest,
    pub id: String,
    pub name: String,
    /// Whose it is; `None`: a program's, which is nobody's.
    pub operator: Option<u64>,
    pub grant: Grant,
    pub expires_ms: u64,
    /// 0: never yet.
    pub(super) used_ms: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
pub(super) struct Invitation {
    pub secret: Digest,
    /// Whom it is for; anybody, until the first operator is there.
    pub name: Option<String>,
    pub grant: Grant,
    pub expires_ms: u64,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub operators: Vec<Operator>,
    pub sessions: Vec<Session>,
    pub tokens: Vec<Token>,
    pub invitations: Vec<Invitation>,
}

impl Session {
    pub fn seen_ms(&self) -> u64 {
        self.seen_ms.load(Ordering::Relaxed)
    }

    /// Whether this is the secret that a browser shows.
    pub fn is(&self, shown: &str) -> bool {
        self.secret.is(&Digest::of(shown.as_bytes())).into()
    }

    fn lives(&self, now_ms: u64) -> bool {
        now_ms < self.made_ms.saturating_add(SESSION_MAX_MS)
            && now_ms < self.seen_ms().saturating_add(SESSION_IDLE_MS)
    }
}

impl Token {
    pub fn used_ms(&self) -> u64 {
        self.used_ms.load(Ordering::Relaxed)
    }
}

impl Known {
    pub(super) fn operator(&self, id: u64) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.id == id)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Operator> {
        let name = folded(name);
        self.operators
            .iter()
            .find(|operator| folded(&operator.name) == name)
    }

    pub(super) fn named_mut(&mut self, name: &str) -> Option<&mut Operator> {
        let name = folded(name);
        self.operators
            .iter_mut()
            .find(|operator| folded(&operator.name) == name)
    }

    /// Who shows the secret of a session.
    pub(super) fn by_session(&self, shown: &Digest, now_ms: u64) -> Option<Identity> {
        let session = find(&self.sessions, shown, |session| &session.secret)?;
        let operator = self.operator(session.operator)?;
        if operator.disabled || !session.lives(now_ms) {
            return None;
        }
        session.seen_ms.store(now_ms, Ordering::Relaxed);
        Some(Identity {
            name: operator.name.clone(),
            grant: operator.grant.clone(),
            by: By::Session {
                operator: operator.id,
                secret: session.secret,
            },
        })
    }

    /// The session itself, which lives.
    pub(super) fn session(&self, secret: &Digest, now_ms: u64) -> Option<&Session> {
        let session = find(&self.sessions, secret, |session| &session.secret)?;
        session.lives(now_ms).then_some(session)
    }

    pub(super) fn still_knows(&self, identity: &Identity, now_ms: u64) -> bool {
        match &identity.by {
            By::Session { operator, secret } => {
                let there = self.operator(*operator).filter(|one| !one.disabled);
                self.session(secret, now_ms).is_some()
                    && there.is_some_and(|one| one.grant == identity.grant)
            }
            // It is said anew with each request, and of none that goes on for long.
            By::Proxy => false,
            By::Token { id } => {
                let tokens = self.tokens.iter();
                let mut there = tokens.filter(|one| one.id == *id);
                there.any(|one| self.by_token(&one.secret, now_ms).as_ref() == Some(identity))
            }
        }
    }

    /// Who shows a token. An operator's may never do more than the operator.
    pub(super) fn by_token(&self, shown: &Digest, now_ms: u64) -> Option<Identity> {
        let token = find(&self.tokens, shown, |token| &token.secret)?;
        let (name, grant) = match token.operator {
            None => (token.name.clone(), token.grant.clone()),
            Some(owner) => {
                let owner = self.operator(owner).filter(|owner| !owner.disabled)?;
                (owner.name.clone(), owner.grant.meet(&token.grant))
            }
        };
        if now_ms >= token.expires_ms {
            return None;
        }
        token.used_ms.store(now_ms, Ordering::Relaxed);
        Some(Identity {
            name,
            grant,
            by: By::Token {
                id: token.id.clone(),
            },
        })
    }

    pub(super) fn invitation(&self, shown: &Digest, now_ms: u64) -> Option<&Invitation> {
        let invitation = find(&self.invitations, shown, |invitation| &invitation.secret)?;
        // What is for anybody is for the first one alone.
        let is_open = invitation.name.is_some() || self.operators.is_empty();
        (is_open && now_ms < invitation.expires_ms).then_some(invitation)
    }

    pub(super) fn end_sessions_of(&mut self, operator: u64) {
        self.sessions.retain(|session| session.operator != operator);
    }

    /// Forgets what lets nobody in any more.
    pub(super) fn forget(&mut self, now_ms: u64) {
        self.sessions.retain(|session| session.lives(now_ms));
        self.invitations
            .retain(|invitation| now_ms < invitation.expires_ms);
    }
}

/// Looks at every one, so that the time says nothing of how near a guess was.
fn find<'a, T>(all: &'a [T], shown: &Digest, secret: impl Fn(&T) -> &Digest) -> Option<&'a T> {
    let mut found = None;
    for one in all {
        if secret(one).is(shown).into() {
            found = Some(one);
        }
    }
    found
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// Whether a name can be one: it stands in logs, pages and command lines.
pub(super) fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    (1..=NAME_CHARS_MAX).contains(&name.chars().count())
        && name.chars().all(is_part)
        && !name.starts_with('-')
}
