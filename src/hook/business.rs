//! Who is asked: an endpoint, behind a seam, so that a decision can be tested without a network.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::callback::{Asked, Callbacks, Side, TimeBudget};
use crate::decision::Replacement;
use crate::event::Event;
use crate::policy::Endpoint;

/// What an endpoint is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub endpoint: &'a Arc<Endpoint>,
    pub event: &'a Event,
    /// What the filters changed: the endpoint sees the event with it.
    pub replacement: Option<&'a Replacement>,
    /// The policy that asks is tried beside the one in force.
    pub is_for_candidate: bool,
}

/// Business servers.
pub(crate) trait Business: Send + Sync + std::fmt::Debug {
    /// Asks one of them and waits no longer than `budget` allows. Every failure is an outcome too.
    fn ask<'a>(&'a self, question: Question<'a>, budget: TimeBudget) -> BoxFuture<'a, Asked>;
}

impl Business for Callbacks {
    fn ask<'a>(&'a self, question: Question<'a>, budget: TimeBudget) -> BoxFuture<'a, Asked> {
        let Question {
            endpoint,
            event,
            replacement,
            is_for_candidate,
        } = question;
        let side = match is_for_candidate {
            true => Side::Candidate,
            false => Side::Policy,
        };
        Callbacks::ask(self, endpoint, side, event, replacement, budget).boxed()
    }
}
