//! How a request that is not let in is answered, to machines and to people.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use tonic::Status;

use super::acts::Asked;
use super::doors::INDEX;
use super::problem::ApiProblem;
use super::who::Who;
use crate::operators::Capability;

/// Where programs ask for JSON, and are answered with it.
const API: &str = "/api/v1";
/// A longer address is not led back to.
const BACK_BYTES_MAX: usize = 2000;

/// What stands between a person and a page.
pub(super) enum Hindrance<'a> {
    Refusal(&'a Refusal),
    /// A sentence that would be an answer of its own.
    Told(StatusCode, &'a str),
}

/// How a person is told what stands in the way: a page.
pub(super) type ToPeople = fn(&Hindrance<'_>, Asked, &Parts, tls: bool) -> Response;

/// Why a request is not let in.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is asked for under a name that a stranger can have.
    Host(String),
    /// A page of a stranger may have sent it.
    Foreign(&'static str),
    /// It says who asks, and that is not to be believed.
    Proxy(String),
    /// Nobody is known by what was shown.
    Unknown,
    /// Somebody is, and may not do this.
    Forbidden(Who, Capability),
    /// Somebody is, and may change other word lists than this one.
    OtherList(Who, String),
    /// There is such a path, but not for this method.
    Method,
    /// There is no such path.
    Nothing,
}

impl Refusal {
    /// The way to the login, and from there back.
    pub(super) fn to_login(asked: &Parts) -> Response {
        let meant = asked.uri.path_and_query().map_or("/", |path| path.as_str());
        // What came of a form is not asked for again.
        let is_page = matches!(asked.method, http::Method::GET | http::Method::HEAD);
        let meant = Some(meant).filter(|meant| is_page && *meant != "/");
        let to = match meant.filter(|meant| meant.len() <= BACK_BYTES_MAX) {
            None => "/login".to_owned(),
            Some(meant) => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                format!("/login?{}", query.append_pair("back", meant).finish())
            }
        };
        (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
    }

    /// As programs and probes are answered.
    pub(super) fn answer(&self, asked: &Parts) -> Response {
        let why = self.why(asked.uri.path());
        let status = self.status();
        if asked.uri.path().starts_with(API) {
            let mut answer = self.problem(why).into_response();
            if let Refusal::Unknown = self {
                let bearer = HeaderValue::from_static("Bearer");
                answer
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, bearer);
            }
            return answer;
        }
        // Who is refused for its name or its page gets a plain answer: gRPC itself would be one
        // that a page could read.
        let is_plain = matches!(
            self,
            Refusal::Host(_) | Refusal::Foreign(_) | Refusal::Method
        );
        if is_grpc(asked) && !is_plain {
            return self.grpc(why).into_http();
        }
        let page = format!("{why}\n");
        match self {
            Refusal::Nothing => (status, format!("{why}; this is\n\n{INDEX}")).into_response(),
            Refusal::Unknown => {
                (status, [(header::WWW_AUTHENTICATE, "Bearer")], page).into_response()
            }
            _ => (status, page).into_response(),
        }
    }

    fn problem(&self, why: String) -> ApiProblem {
        let code = match self {
            Refusal::Method => "method",
            refusal => refusal.reason().unwrap_or("nothing_here"),
        };
        ApiProblem::new(self.status(), code, why)
    }

    /// Why somebody was kept out, as it is counted; `None` where there is nothing to be let in to.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Refusal::Host(_) => Some("foreign_host"),
            Refusal::Foreign(_) => Some("foreign_origin"),
            Refusal::Proxy(_) => Some("proxy_identity"),
            Refusal::Unknown => Some("unknown"),
            Refusal::Forbidden(..) | Refusal::OtherList(..) => Some("forbidden"),
            Refusal::Method | Refusal::Nothing => None,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Refusal::Foreign(_)
            | Refusal::Proxy(_)
            | Refusal::Forbidden(..)
            | Refusal::OtherList(..) => StatusCode::FORBIDDEN,
            Refusal::Unknown => StatusCode::UNAUTHORIZED,
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Nothing => StatusCode::NOT_FOUND,
        }
    }

    fn grpc(&self, why: String) -> Status {
        match self {
            Refusal::Host(_)
            | Refusal::Foreign(_)
            | Refusal::Proxy(_)
            | Refusal::Forbidden(..)
            | Refusal::OtherList(..) => Status::permission_denied(why),
            Refusal::Unknown => Status::unauthenticated(why),
            Refusal::Method | Refusal::Nothing => Status::unimplemented(why),
        }
    }

    pub(super) fn why(&self, path: &str) -> String {
        match self {
            Refusal::Host(why) | Refusal::Proxy(why) => why.clone(),
            Refusal::Foreign(why) => (*why).to_owned(),
            Refusal::Unknown => "show the token that lies in cli.token, beside the outbox of the \
                                 server, or one of your own: set CALLGATE_TOKEN, or send \
                                 `authorization: Bearer TOKEN`; people log in at /login, or, \
                                 before there is an operator, follow the link that `callgate \
                                 operators invite` prints"
                .to_owned(),
            Refusal::Forbidden(who, capability) => {
                format!("`{who}` may not do this: it takes {}", needed(*capability))
            }
            Refusal::OtherList(who, list) => other_list(who, list),
            Refusal::Method => format!("{path} is not asked for with this method"),
            Refusal::Nothing => format!("nothing is served at {path}"),
        }
    }
}

/// Why somebody may not change a word list who may change others.
pub(super) fn other_list(who: &Who, list: &str) -> String {
    let limit = who.grant().map(|grant| grant.lists).unwrap_or_default();
    let own: Vec<String> = limit
        .names()
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    let own = match own.is_empty() {
        true => "no list".to_owned(),
        false => format!("{} alone", own.join(", ")),
    };
    format!(
        "`{who}` may change {own}, and not `{list}`; an operator gives more with \
         `callgate operators set NAME --lists …`"
    )
}

pub(super) fn needed(capability: Capability) -> &'static str {
    match capability {
        Capability::Watch | Capability::Enter => "nothing",
        Capability::Account => "an account, and to be logged in to it",
        Capability::View => "the role `viewer`",
        Capability::Moderate => "the role `moderator`",
        Capability::Operate => "the role `operator`",
        Capability::Appoint => "the role `operator`, or the token in cli.token",
        Capability::Text => "the right `text`",
        Capability::Audit => "the right `audit`",
    }
}

/// A person's browser asks for a page, and not a program for anything.
pub(super) fn wants_page(asked: &Parts) -> bool {
    let accept = asked.headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let is_page = accept.is_some_and(|accept| accept.contains("text/html"));
    is_page && !asked.uri.path().starts_with(API)
}

fn is_grpc(asked: &Parts) -> bool {
    let content_type = asked.headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
