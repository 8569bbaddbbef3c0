//! The one check before everything at the operators' port: who asks, and what that is enough for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::MethodRouter;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use tower::ServiceExt;

use super::acts::{self, Asked};
use super::browser;
use super::doors::{Door, Kind};
use super::paths::{self, Names};
use super::refusal::{Hindrance, Refusal, ToPeople, wants_page};
use super::who::Who;
use crate::audit::Audit;
use crate::operators::{Capability, Operators, ProxyIdentity};
use crate::policy::Digest;
use crate::server::{
    Hosts, Peer, bearer, refuse_foreign_calls, refuse_foreign_forms, refuse_foreign_host,
    refuse_foreign_orders,
};
use crate::telemetry::Metrics;

/// Of a longer answer that says why not the rest is not shown.
const SENTENCE_BYTES_MAX: usize = 4096;

/// Who is let in without having shown anything, and what commands show.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whoever reaches the port may do everything, until the first operator is there.
    pub open: bool,
    /// What `cli.token` holds; `None` where it could not be written.
    pub command_line: Option<Digest>,
}

/// Stands before all routes, and leads to pages and the API itself: what answers is what was
/// judged, and nothing behind compares paths again. Orders over gRPC go on to the next.
pub(super) struct Guard {
    pub(super) doors: Vec<Door>,
    /// By method and path as they stand in the table.
    pub(super) answers: HashMap<(Method, &'static str), MethodRouter>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) access: Access,
    pub(super) audit: Arc<Audit>,
    pub(super) operators: Arc<Operators>,
    /// `None`: no proxy says who somebody is.
    pub(super) proxy: Option<Arc<ProxyIdentity>>,
    pub(super) metrics: Arc<Metrics>,
    /// The port has TLS of its own.
    pub(super) tls: bool,
    /// How people are told what stands in the way.
    pub(super) to_people: ToPeople,
}

/// Lets a request through to its route, or answers it.
pub(super) async fn admit(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = request.extensions().get().map(Peer::address);
    let (parts, body) = request.into_parts();
    let judged = guard.judge(&parts);
    let mut answer = match judged {
        Ok(Led { who, door, names }) => {
            let asked = guard.asked(who, from, door.capability);
            // Probes are answered alike whoever asks.
            let is_page = door.kind == Kind::Page && door.capability != Capability::Watch;
            let person = (is_page && wants_page(&parts)).then(|| (parts.clone(), asked.clone()));
            request = Request::from_parts(parts, body);
            request.extensions_mut().insert(names);
            request.extensions_mut().insert(asked);
            let answers = guard.answers.get(&(door.method.clone(), door.path));
            let answer = match answers.cloned() {
                None => next.run(request).await,
                Some(answers) => {
                    let answer: Result<Response, Infallible> = answers.oneshot(request).await;
                    answer.unwrap_or_else(|never| match never {})
                }
            };
            match person {
                None => answer,
                Some((parts, asked)) => guard.in_frame(answer, asked, &parts).await,
            }
        }
        Err(refusal) => {
            guard.note(&refusal, &parts, from);
            guard.refuse(&refusal, &parts, from)
        }
    };
    browser::keep_strangers_out(&mut answer);
    answer
}

/// A request that is let in, and where it leads.
struct Led<'a> {
    who: Who,
    door: &'a Door,
    names: Names,
}

impl Guard {
    fn asked(&self, who: Who, from: Option<IpAddr>, capability: Capability) -> Asked {
        Asked {
            audit: Arc::clone(&self.audit),
            who,
            from,
            capability,
        }
    }

    fn refuse(&self, refusal: &Refusal, parts: &Parts, from: Option<IpAddr>) -> Response {
        if !wants_page(parts) {
            return refusal.answer(parts);
        }
        let who = match refusal {
            Refusal::Unknown if self.operators.is_set_up() => return Refusal::to_login(parts),
            Refusal::Forbidden(who, _) => who.clone(),
            // Only who may see what there is gets so far.
            Refusal::Method | Refusal::Nothing => self.who(parts, None).unwrap_or(Who::Nobody),
            _ => Who::Nobody,
        };
        let asked = self.asked(who, from, Capability::View);
        (self.to_people)(&Hindrance::Refusal(refusal), asked, parts, self.tls)
    }

    /// A bare sentence that says why not becomes a page.
    async fn in_frame(&self, answer: Response, asked: Asked, parts: &Parts) -> Response {
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let is_bare = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
        if !(is_bare && (status.is_client_error() || status.is_server_error())) {
            return answer;
        }
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, SENTENCE_BYTES_MAX).await.unwrap_or_default();
        let why = String::from_utf8_lossy(&body);
        let told = Hindrance::Told(status, why.trim());
        let mut page = (self.to_people)(&told, asked, parts, self.tls);
        for (name, value) in &head.headers {
            if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
                page.headers_mut().append(name, value.clone());
            }
        }
        page
    }

    /// Who asks, where it may do what it asks for, and what that takes.
    fn judge(&self, parts: &Parts) -> Result<Led<'_>, Refusal> {
        let found = self.find(&parts.method, parts.uri.path())?;
        // A path that leads nowhere is told to those alone who may see what there is.
        let door = found.as_ref().map(|(door, _)| *door);
        let capability = door.map_or(Capability::View, |door| door.capability);
        let who = match capability {
            Capability::Watch => Who::Nobody,
            _ => self.who(parts, door)?,
        };
        if !who.may(capability) {
            return Err(match who {
                Who::Nobody => Refusal::Unknown,
                who => Refusal::Forbidden(who, capability),
            });
        }
        let (door, names) = found.ok_or(Refusal::Nothing)?;
        let changed = paths::changed_list(door, &names);
        if let Some(list) = changed.filter(|list| !who.may_change(list)) {
            let list = list.to_owned();
            return Err(Refusal::OtherList(who, list));
        }
        Ok(Led { who, door, names })
    }

    /// Records who was not let in. What is not there is nobody's act.
    fn note(&self, refusal: &Refusal, parts: &Parts, from: Option<IpAddr>) {
        let path = parts.uri.path();
        if let Some(reason) = refusal.reason() {
            self.metrics.operators.refused(reason);
        }
        let who = match refusal {
            Refusal::Method | Refusal::Nothing => return,
            Refusal::Forbidden(who, _) | Refusal::OtherList(who, _) => who,
            _ => &Who::Nobody,
        };
        // Of a path that leads nowhere nothing is kept: it may be a secret at the wrong port.
        let led = paths::leads_to(&self.doors, path);
        let door = led.and_then(|(doors, _)| doors.into_iter().next());
        let target = door.map_or("a path that leads nowhere", |door| door.path);
        let capability = door.map(|door| door.capability);
        let why = refusal.why(target);
        acts::refused(&self.audit, who, from, capability, target, &why);
    }

    /// The line of the table, and the names in the path; `None` for a path that leads nowhere.
    /// What stands in the table is asked for with its own method or not at all.
    fn find(&self, method: &Method, path: &str) -> Result<Option<(&Door, Names)>, Refusal> {
        let asked = match *method {
            Method::HEAD => &Method::GET,
            _ => method,
        };
        let Some((of_path, names)) = paths::leads_to(&self.doors, path) else {
            return Ok(None);
        };
        let door = of_path.into_iter().find(|door| door.method == asked);
        door.map(|door| Some((door, names))).ok_or(Refusal::Method)
    }

    /// Who asks. Browsers send what pages of strangers tell them to, so who shows no token of a
    /// command must ask under our own name, and orders must come from our own pages.
    fn who(&self, parts: &Parts, door: Option<&Door>) -> Result<Who, Refusal> {
        let headers = &parts.headers;
        let said = match &self.proxy {
            None => None,
            Some(proxy) => {
                let peer = parts.extensions.get().map(Peer::address);
                let said = proxy.identify(headers, peer);
                said.map_err(|why| Refusal::Proxy(why.to_string()))?
            }
        };
        if said.is_none()
            && let Some(token) = shown_token(headers)
        {
            return Ok(self.known_by(token));
        }
        if let Some(why) = refuse_foreign_host(parts, &self.hosts) {
            return Err(Refusal::Host(why));
        }
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let foreign = match door.map(|door| door.kind) {
                Some(Kind::Page) => refuse_foreign_forms(parts),
                Some(Kind::Api) => refuse_foreign_calls(parts),
                Some(Kind::Order) | None => refuse_foreign_orders(parts),
            };
            if let Some(why) = foreign {
                return Err(Refusal::Foreign(why));
            }
        }
        // A proxy says it of whatever a browser sends, so pages of strangers are kept out before.
        if let Some(identity) = said {
            return Ok(Who::Known(identity));
        }
        let session = browser::session(headers, self.tls);
        let known = session.and_then(|secret| self.operators.by_session(secret.as_bytes()));
        Ok(match known {
            Some(identity) => Who::Known(identity),
            None if self.access.open && !self.operators.is_set_up() => Who::Anyone,
            None => Who::Nobody,
        })
    }

    fn known_by(&self, token: &[u8]) -> Who {
        let shown = Digest::of(token);
        let command_line = self.access.command_line;
        match command_line.is_some_and(|token| token.is(&shown).into()) {
            true => Who::CommandLine,
            false => self
                .operators
                .by_token(token)
                .map_or(Who::Nobody, Who::Known),
        }
    }
}

fn shown_token(headers: &HeaderMap) -> Option<&[u8]> {
    bearer(headers.get(header::AUTHORIZATION)?.as_bytes())
}
