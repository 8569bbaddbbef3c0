//! One entry of `endpoints:`.

use core::net::IpAddr;

use ipnet::IpNet;
use rustls::pki_types::ServerName;
use url::Url;

use super::super::endpoint::{
    BreakerSettings, Endpoint, EndpointTls, EventFormat, EventSettings, Secret, SecretSource,
    SignSettings,
};
use super::super::url_address::UrlAddress;
use super::super::url_prefix::UrlPrefix;
use crate::dialect::{AnswerRules, Answers, Protection, Protections};
use crate::event::DialectId;
use crate::settings::{At, Field, Item};

#[derive(Debug)]
pub(crate) struct EndpointSpec {
    pub endpoint: Endpoint,
    /// `None` when the URL cannot be read, which is an error.
    pub address: Option<UrlAddress>,
    pub at: At,
    pub at_url: At,
    pub at_answers: At,
    pub at_answer_bytes: At,
    pub at_connect_timeout: At,
    pub at_secret: At,
    /// Where `tls` is, or would be.
    pub at_tls: At,
}

const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const RETRY_WAITS_MAX: usize = 64;

pub(super) fn read(name: String, field: &Field<'_>) -> EndpointSpec {
    let section = field.section();
    let url = section.field("url");
    let dialect = read_dialect(&section.field("dialect"));
    let address = read_url(&url, dialect);
    let (answers_field, answer_bytes) =
        (section.field("answers"), section.field("answer_bytes_max"));
    let answers = AnswerRules {
        answers: read_answers(&answers_field, dialect),
        protect: read_protections(&section.field("protect")),
    };
    let (sign, at_secret) = read_sign(&section.field("sign"));
    let connect_timeout = section.field("connect_timeout");
    let endpoint = Endpoint {
        name: name.into(),
        url: if url.is_set() {
            url.text()
        } else {
            String::new()
        },
        dialect,
        answers,
        in_flight_max: section.field("in_flight_max").size(1_000_000),
        answer_bytes_max: read_answer_bytes(&answer_bytes),
        connect_timeout: connect_timeout.duration_above_zero(),
        pool_idle_max: match section.field("pool_idle_max") {
            // As many as may be in flight: fewer are closed and opened again under load.
            field if !field.is_set() => section.field("in_flight_max").size(1_000_000),
            field => field.size(100_000),
        },
        pool_idle_timeout: section.field("pool_idle_timeout").duration(),
        connection_age_max: section.field("connection_age_max").duration(),
        allow_addresses: section
            .field("allow_addresses")
            .items()
            .iter()
            .filter_map(read_address)
            .collect(),
        client_urls: section
            .field("client_urls")
            .items()
            .iter()
            .filter_map(read_prefix)
            .collect(),
        im_api_key: read_key(&section.field("im_api_key")),
        breaker: read_breaker(&section.field("breaker")),
        retry_waits: {
            let waits = section.field("retry_waits");
            let items = waits.items();
            if items.len() > RETRY_WAITS_MAX {
                let hint = format!("write at most {RETRY_WAITS_MAX}");
                waits.error(format!("{} waits are too many", items.len()), hint);
            }
            items.iter().filter_map(Item::duration).collect()
        },
        events: read_events(&section.field("events")),
        sign,
        tls: read_tls(&section.field("tls"), &url),
    };
    section.finish();
    EndpointSpec {
        endpoint,
        address,
        at: field.at().clone(),
        at_url: url.at().clone(),
        at_answers: answers_field.at().clone(),
        at_answer_bytes: answer_bytes.at().clone(),
        at_connect_timeout: connect_timeout.at().clone(),
        at_secret,
        at_tls: section.field("tls").at().clone(),
    }
}

fn read_dialect(field: &Field<'_>) -> DialectId {
    field.choice().unwrap_or(DialectId::OpenIm)
}

/// A way of reading that this dialect does not have would be a word without meaning.
fn read_answers(field: &Field<'_>, dialect: DialectId) -> Answers {
    let answers = field.choice::<Answers>().unwrap_or_default();
    if answers.suits(dialect) {
        return answers;
    }
    let name = answers.name();
    let suiting = DialectId::ALL.into_iter().filter(|id| answers.suits(*id));
    let suiting: Vec<&str> = suiting.map(DialectId::name).collect();
    let what = format!("an endpoint with `dialect: {dialect}` does not answer as `{name}` says");
    let hint = format!(
        "remove it, or write `dialect: {}` if that is what it speaks",
        suiting.join("` or `")
    );
    match answers {
        Answers::Strict | Answers::Intent => field.warning(what, hint),
        _ => field.error(what, hint),
    }
    answers
}

fn read_protections(field: &Field<'_>) -> Protections {
    let section = field.section();
    let on: Vec<Protection> = Protection::ALL
        .into_iter()
        .filter(|protection| section.field(protection.name()).flag())
        .collect();
    section.finish();
    Protections::of(|protection| on.contains(&protection))
}

fn read_answer_bytes(field: &Field<'_>) -> usize {
    let bytes = field.bytes();
    if bytes > ANSWER_BYTES_MAX {
        field.error("no answer is that large", "use at most 64MiB");
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn read_breaker(field: &Field<'_>) -> BreakerSettings {
    let section = field.section();
    let breaker = BreakerSettings {
        failures: section.field("failures").count(1_000_000),
        failure_ratio: section.field("failure_ratio").share(),
        calls_min: section.field("calls_min").count(1_000_000),
        window: section.field("window").duration_above_zero(),
        open: section.field("open").duration_above_zero(),
        open_max: section.field("open_max").duration(),
        probes: section.field("probes").count(1_000),
    };
    section.finish();
    if breaker.open_max < breaker.open {
        field.error(
            "`open_max` is shorter than `open`",
            "make it at least as long",
        );
    }
    breaker
}

/// More requests a second than this are no limit.
const RATE_MAX: i64 = 1_000_000;

fn read_events(field: &Field<'_>) -> EventSettings {
    let section = field.section();
    let events = EventSettings {
        timeout: section.field("timeout").duration_above_zero(),
        in_flight_max: section.field("in_flight_max").size(100_000),
        rate_max: section.field("rate_max").number(0, RATE_MAX) as u32,
        format: section
            .field("format")
            .choice()
            .unwrap_or(EventFormat::Dialect),
        batch_events_max: section.field("batch_events_max").size(10_000),
        batch_bytes_max: read_answer_bytes(&section.field("batch_bytes_max")),
        batch_wait: section.field("batch_wait").duration(),
        pause_after: section.field("pause_after").duration_above_zero(),
        probe_every: section.field("probe_every").duration_above_zero(),
        pending_age_max: section.field("pending_age_max").duration(),
        lane_block_max: section.field("lane_block_max").duration(),
        success: section
            .field("success")
            .items()
            .iter()
            .filter_map(|item| item.number(200, 299))
            .map(|status| status as u16)
            .collect(),
    };
    section.finish();
    events
}

/// How calls are signed, and where the secret is named.
fn read_sign(field: &Field<'_>) -> (Option<SignSettings>, At) {
    let nowhere = field.at().clone();
    if !field.is_set() {
        return (None, nowhere);
    }
    let section = field.section();
    let (env, file) = (section.field("secret_env"), section.field("secret_file"));
    let before = section.field("before");
    section.finish();
    let (secret, at) = match (env.is_set(), file.is_set()) {
        (true, false) => (SecretSource::Env(env.text()), env.at().clone()),
        (false, true) => (SecretSource::File(file.text()), file.at().clone()),
        _ => {
            field.error(
                "a signature needs one place of its secret",
                "write either `secret_env: NAME` or `secret_file: path`",
            );
            return (None, nowhere);
        }
    };
    let before = before.is_set() && before.flag();
    (Some(SignSettings { secret, before }), at)
}

fn read_tls(field: &Field<'_>, url: &Field<'_>) -> EndpointTls {
    if !field.is_set() {
        return EndpointTls::default();
    }
    let section = field.section();
    let text = |name| {
        let field = section.field(name);
        let text = match field.is_set() {
            true => field.text(),
            false => String::new(),
        };
        (!text.is_empty()).then_some(text)
    };
    let (ca, server_name) = (text("ca"), text("server_name"));
    let client = match (text("client_cert"), text("client_key")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (cert, _) => {
            let missing = if cert.is_some() {
                "client_key"
            } else {
                "client_cert"
            };
            let what = format!("a certificate of ours needs its key: there is no `{missing}`");
            field.error(what, "set both, or neither");
            None
        }
    };
    section.finish();
    if let Some(name) = &server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        let what = format!("`{name}` is not a valid name of a server");
        section
            .field("server_name")
            .error(what, "write the name alone: business.example");
    }
    if url.is_set() && url.text().starts_with("http://") {
        field.warning(
            "the url begins with http://, so nothing of this is used",
            "write https://",
        );
    }
    EndpointTls {
        ca,
        client,
        server_name,
    }
}

fn read_address(item: &Item<'_>) -> Option<IpNet> {
    let single = item.text.parse::<IpAddr>().ok().map(IpNet::from);
    let net = single.or_else(|| item.text.parse::<IpNet>().ok());
    match net {
        None => item.error(
            format!("`{}` is not a valid address", item.text),
            "write one address such as 169.254.10.20",
        ),
        Some(net) if net.prefix_len() != net.max_prefix_len() => item.warning(
            format!("`{net}` is a range, and only single addresses are let through"),
            "name each address",
        ),
        Some(_) => {}
    }
    net
}

fn read_key(field: &Field<'_>) -> Secret {
    let key = field.text();
    if !key.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        field.error("a key has no spaces and nothing but ASCII", "copy it again");
    }
    Secret::new(key)
}

fn read_prefix(item: &Item<'_>) -> Option<UrlPrefix> {
    let prefix = UrlPrefix::parse(&item.text);
    if prefix.is_none() {
        item.error(
            format!("`{}` is not a valid URL prefix", item.text),
            "write scheme, host and path, without user, query and `..`: https://a.example/hooks",
        );
    }
    prefix
}

fn read_url(field: &Field<'_>, dialect: DialectId) -> Option<UrlAddress> {
    let written = field.is_set().then(|| field.text());
    let Some(written) = written.filter(|url| !url.is_empty()) else {
        field.error("the url is missing", "write `url: http://host:port/path`");
        return None;
    };
    // The parser that calls use too: what it cannot read could never be called.
    let url = match Url::parse(&written) {
        Ok(url) => url,
        Err(error) => {
            field.error(
                format!("this is not a valid URL: {error}"),
                "write http://host:port/path",
            );
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        let what = format!("the scheme is `{}`", url.scheme());
        field.error(what, "use http:// or https://");
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        field.error(
            "a user or password in a URL ends up in logs",
            "put a secret into the path or let the network decide who may call",
        );
    }
    if url.port() == Some(0) {
        field.error("nobody can be called at port 0", "write the port");
    }
    let is_plain = |character: char| character.is_ascii_graphic();
    if !written.chars().all(is_plain) {
        field.error(
            "this is not a valid URL: it has spaces, or letters that are not ASCII",
            "write international names as xn--… and other characters as %xx",
        );
    }
    warn_of_odd_paths(field, &url, dialect);
    UrlAddress::of(&url)
}

/// OpenIM's commands are appended to the URL as text, so what stands at its end matters.
fn warn_of_odd_paths(field: &Field<'_>, url: &Url, dialect: DialectId) {
    if url.fragment().is_some() {
        field.error("what follows `#` is never sent", "remove it");
    }
    if dialect != DialectId::OpenIm {
        return;
    }
    if url.query().is_some() {
        field.warning(
            "the command is appended after the `?`, so it ends up in the query",
            "remove the query, or put what it says into the path",
        );
    } else if url.path().len() > 1 && url.path().ends_with('/') {
        field.warning(
            "the `/` at the end is dropped before the command is appended",
            "remove it",
        );
    }
}
