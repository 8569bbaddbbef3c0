//! Every route and method of the three ports, asked by everybody: who gets in stands in a table,
//! and what is not in the table is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use callgate::admin::doors::{self, Kind};
use callgate::operators::{Capability, Grant, ListLimit, Rights, Role};
use callgate::policy::Digest;
use callgate::proto::DESCRIPTORS;
use prost::Message;
use prost_types::FileDescriptorSet;
use serde_json::Value;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataKey, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use crate::harness::{Callgate, PATIENCE, Raw, Setup, calls, http, wait_for};

const TOKEN: &str = "token-of-the-pipeline";
const LIMITED: &str = "token-of-another-caller";

/// Who gets in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Everybody,
    /// Callers of the policy, and the command line on this machine.
    Callers,
    /// The command line on this machine.
    CommandLine,
}
use Door::{Callers, CommandLine, Everybody};

/// What of the operators' port is for everybody; the rest of its table takes something.
const OPEN_PAGES: [&str; 4] = ["/healthz", "/metrics", "/readyz", "/readyz/after"];

const EVENTS: &str = "/api/v1/events";

/// The services of the gRPC port and of the operators' port: whoever may call one of its methods
/// may call each.
const GRPC_SERVICES: [(&str, Door); 5] = [
    ("callgate.v1.HookService", Callers),
    ("grpc.health.v1.Health", Everybody),
    ("grpc.reflection.v1.ServerReflection", Callers),
    ("grpc.reflection.v1alpha.ServerReflection", Callers),
    ("wkhook.WebhookService", Callers),
];
const ADMIN_SERVICES: [(&str, Door); 3] = [
    ("callgate.v1.AdminService", CommandLine),
    ("grpc.reflection.v1.ServerReflection", CommandLine),
    ("grpc.reflection.v1alpha.ServerReflection", CommandLine),
];

/// Who comes to a door, with what it brings.
const NOBODY: &str = "";
const WRONG: &str = "no-token-of-anybody";

fn start() -> (Callgate, String) {
    let digest = |secret: &str| Digest::of(secret.as_bytes()).to_string();
    let policy = format!(
        "callers:\n  pipeline: {{token_sha256: {}}}\n  other: {{token_sha256: {}, hooks: [afterSendSingleMsg]}}\n\
         hooks: {{beforeSendSingleMsg: {{}}}}\n",
        digest(TOKEN),
        digest(LIMITED)
    );
    let callgate = Setup::new(&policy)
        .engine("admin.listen", "0.0.0.0:0")
        .start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

fn gets_in(door: Door, token: &str, command_line: &str, at_grpc_port: bool) -> bool {
    match door {
        Everybody => true,
        Callers => [TOKEN, LIMITED].contains(&token) || at_grpc_port && token == command_line,
        CommandLine => token == command_line,
    }
}

/// Methods by service, of our own descriptors and of those that come with the libraries.
fn methods() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for bytes in [DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET] {
        let descriptors = FileDescriptorSet::decode(bytes).unwrap();
        for file in &descriptors.file {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                let methods = service.method.iter();
                // Who watches waits for what never comes.
                let methods = methods.filter(|method| method.name() != "Watch");
                let methods = methods.map(|method| method.name().to_owned());
                found.entry(name).or_default().extend(methods);
            }
        }
    }
    for version in ["v1", "v1alpha"] {
        let service = format!("grpc.reflection.{version}.ServerReflection");
        found.insert(service, vec!["ServerReflectionInfo".to_owned()]);
    }
    found
}

/// Calls a method with an empty message; the error, if there is one.
pub fn call(address: SocketAddr, path: &str, lines: &[(&str, &str)], host: &str) -> Option<Status> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint.origin(format!("http://{host}").parse().unwrap());
    runtime.block_on(async {
        let channel = endpoint.connect().await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let mut request = Request::new(Vec::new());
        for (name, value) in lines {
            let name = MetadataKey::from_bytes(name.as_bytes()).unwrap();
            request
                .metadata_mut()
                .insert(name, MetadataValue::try_from(*value).unwrap());
        }
        let path = PathAndQuery::try_from(path).unwrap();
        client.unary(request, path, Raw).await.err()
    })
}

fn call_as(address: SocketAddr, path: &str, token: &str, origin: &str, host: &str) -> Option<Code> {
    let authorization = authorization(token);
    let mut lines = Vec::new();
    if token != NOBODY {
        lines.push(("authorization", authorization.as_str()));
    }
    if !origin.is_empty() {
        lines.push(("origin", origin));
    }
    call(address, path, &lines, host).map(|status| status.code())
}

fn authorization(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn every_method_of_the_grpc_port_has_its_door() {
    let (callgate, command_line) = start();
    let methods = methods();
    for (service, door) in GRPC_SERVICES {
        for method in &methods[service] {
            let path = format!("/{service}/{method}");
            for token in [NOBODY, WRONG, TOKEN, LIMITED, &command_line] {
                // A page of a stranger cannot speak gRPC, so its origin says nothing here.
                for (origin, host) in [
                    ("", "im"),
                    ("http://evil.example", "im"),
                    ("", "evil.example"),
                ] {
                    let code = call_as(callgate.grpc, &path, token, origin, host);
                    let expected = gets_in(door, token, &command_line, true);
                    let who =
                        format!("{path} with `{token}` from `{origin}` at `{host}`: {code:?}");
                    assert_eq!(code != Some(Code::Unauthenticated), expected, "{who}");
                }
            }
        }
    }
    assert_eq!(served(callgate.grpc, TOKEN), names(&GRPC_SERVICES));
}

/// Somebody at the operators' port: what it shows, where it comes from, and as what it asks for it.
#[derive(Clone, Copy, Debug)]
struct Asking<'a> {
    token: &'a str,
    origin: &'a str,
    host: &'a str,
}

impl Asking<'_> {
    /// Everybody with each origin and each host, of its own port and of strangers.
    fn all<'a>(tokens: &[&'a str], here: &'a str, own: &'a str) -> Vec<Asking<'a>> {
        let mut all = Vec::new();
        for token in tokens {
            for origin in ["", own, "http://evil.example", "null"] {
                for host in [here, "evil.example"] {
                    all.push(Asking {
                        token,
                        origin,
                        host,
                    });
                }
            }
        }
        all
    }

    /// A page of a stranger may have sent it: whoever shows a token is no page. A form has the
    /// origin of its page, an order of a command has none.
    fn is_foreign(&self, is_form: bool) -> bool {
        let own = format!("http://{}", self.host);
        let is_own = self.origin == own || self.origin.is_empty() && !is_form;
        self.token == NOBODY && !is_own
    }
}

/// Asks for a line of the table, and says with which status it was answered.
fn knock(address: SocketAddr, door: &doors::Door, asking: Asking<'_>) -> u16 {
    let Asking {
        token,
        origin,
        host,
    } = asking;
    // Any name that is none: who may ask is told before what there is.
    let path = door.path.replace('{', "no-").replace('}', "");
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", door.method);
    if token != NOBODY {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if !origin.is_empty() {
        head.push_str(&format!("Origin: {origin}\r\n"));
    }
    head.push_str(match door.kind {
        Kind::Page => "",
        Kind::Order => "Content-Type: application/grpc\r\n",
        Kind::Api => "Content-Type: application/json\r\n",
    });
    // A form that is too long to be read, and no JSON: whoever gets so far has got in, and does
    // nothing.
    let body = match door.method != "GET" && door.kind != Kind::Order {
        true => "x".repeat(20_000),
        false => String::new(),
    };
    let length = body.len();
    head.push_str(&format!(
        "Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // What a stream of answers holds says nothing here.
    let mut answer = Vec::new();
    match door.path {
        // It goes on as long as one may see it.
        EVENTS => read_head(&mut stream, &mut answer),
        _ => drop(stream.read_to_end(&mut answer).unwrap()),
    }
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    // There is a door, and nothing of this name behind it; a path that leads nowhere has no page.
    let no_page = status == 404 && answer.contains("content-type: text/html");
    if no_page || answer.contains(r#""code":"not_found""#) {
        return 200;
    }
    let code = answer
        .lines()
        .find_map(|line| line.strip_prefix("grpc-status: "));
    match code.map(str::trim) {
        Some("7") => 403,
        Some("16") => 401,
        _ => status,
    }
}

fn read_head(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        answer.push(byte[0]);
    }
}

#[test]
fn every_page_and_method_of_the_operators_port_has_its_door() {
    let (callgate, command_line) = start();
    let here = format!("127.0.0.1:{}", callgate.admin.port());
    let own = format!("http://{here}");
    let grants = [
        ("viewer", ""),
        ("viewer", "audit"),
        ("moderator", ""),
        ("moderator", "text"),
        ("operator", ""),
        ("operator", "text,audit"),
    ];
    let known = grants.map(|(role, rights)| {
        let args = ["token", "ci", "--role", role, "--rights", rights];
        let token = operators(&callgate, &args);
        let rights = Rights::from_text(rights).unwrap();
        let role = role.parse::<Role>().unwrap();
        (
            token.trim().to_owned(),
            Grant {
                role,
                rights,
                lists: ListLimit::All,
            },
        )
    });
    let mut tokens = vec![NOBODY, WRONG, TOKEN, LIMITED, &command_line];
    tokens.extend(known.iter().map(|(token, _)| token.as_str()));
    let may = |token: &str, capability: Capability| {
        let known = known.iter().find(|(known, _)| known == token);
        let known = known.map(|(_, grant)| grant.clone());
        known
            .or((token == command_line).then_some(Grant::ALL))
            .map(|grant| grant.allows(capability))
    };
    for door in doors::doors(true) {
        for asking in Asking::all(&tokens, &here, &own) {
            let status = knock(callgate.admin, &door, asking);
            let expected = match door.capability {
                Capability::Watch => Some(200),
                _ if asking.token == NOBODY && asking.host != here => Some(421),
                _ if door.method != "GET" && asking.is_foreign(door.kind == Kind::Page) => {
                    Some(403)
                }
                Capability::Enter => None,
                capability => match may(asking.token, capability) {
                    None => Some(401),
                    Some(false) => Some(403),
                    Some(true) => None,
                },
            };
            let who = format!("{} {} by {asking:?}: {status}", door.method, door.path);
            match expected {
                Some(expected) => assert_eq!(status, expected, "{who}"),
                // A page about one thing among many says that there is none of this name.
                None if door.path.contains('{') && status == 404 => {}
                None => assert!(![401, 403, 404, 405, 421].contains(&status), "{who}"),
            }
        }
    }
}

/// What `callgate operators` prints.
fn operators(callgate: &Callgate, args: &[&str]) -> String {
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let args = [&["operators"], args, &["--server", &server]].concat();
    let output = callgate.setup().run(&args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_table_of_the_operators_port_is_whole() {
    let table = doors::doors(true);
    let paths = |capability: Capability| -> BTreeSet<&str> {
        let of_it = table.iter().filter(|door| door.capability == capability);
        of_it.map(|door| door.path).collect()
    };
    assert_eq!(paths(Capability::Watch), OPEN_PAGES.into());
    let ways_in = [
        "/console/console.js",
        "/console/setup.js",
        "/console/style.css",
        "/console/switch",
        "/login",
        "/setup",
    ];
    assert_eq!(paths(Capability::Enter), ways_in.into());
    let closed = doors::doors(false);
    let metrics = closed.iter().find(|door| door.path == "/metrics").unwrap();
    assert_eq!(metrics.capability, Capability::View);
    let methods = methods();
    let served = ADMIN_SERVICES.iter().flat_map(|(service, _)| {
        let methods = methods[*service].iter();
        methods.map(move |method| format!("/{service}/{method}"))
    });
    let orders = table.iter().filter(|door| door.kind == Kind::Order);
    let orders: BTreeSet<String> = orders.map(|door| door.path.to_owned()).collect();
    assert_eq!(orders, served.collect());
    let (callgate, command_line) = start();
    assert_eq!(
        self::served(callgate.admin, &command_line),
        names(&ADMIN_SERVICES)
    );
}

#[test]
fn what_is_in_no_table_is_answered_by_nothing() {
    let (callgate, command_line) = start();
    // Nothing is said of what there is.
    assert_eq!(http::get(callgate.admin, "/nothing").status, 401);
    let ask = |head: &str, token: &str| {
        let head = format!(
            "{head} HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/grpc\r\nContent-Length: 0\r\n\r\n"
        );
        http::send(callgate.admin, head.as_bytes())
    };
    let discard = "/callgate.v1.AdminService/DiscardEvents";
    // A table that looked at one method alone would let the others by.
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        for path in ["/status", discard] {
            let expected = match (method, path) {
                ("GET", "/status") => 200,
                _ => 405,
            };
            let answer = ask(&format!("{method} {path}"), &command_line);
            assert_eq!(answer.status, expected, "{method} {path}");
        }
    }
    for path in [
        "/nothing",
        "//status",
        "/status/",
        "/%73tatus",
        "/callgate.v1.AdminService/DiscardEvents/",
        "/callgate.v1.AdminService/Discard%45vents",
        "/callgate.v1.HookService/Before",
    ] {
        let refused = ask(&format!("POST {path}"), WRONG);
        assert_eq!(refused.header("grpc-status"), "16", "{path}: {refused:?}");
        let unknown = ask(&format!("POST {path}"), &command_line);
        assert_eq!(unknown.header("grpc-status"), "12", "{path}: {unknown:?}");
    }
}

#[test]
fn metrics_can_be_closed() {
    let callgate = Setup::new("hooks: {}\n")
        .engine("admin.listen", "0.0.0.0:0")
        .engine("admin.metrics_open", "false")
        .start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    assert_eq!(http::get(callgate.admin, "/metrics").status, 401);
    assert_eq!(http::get(callgate.admin, "/healthz").status, 200);
    let head =
        format!("GET /metrics HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(http::send(callgate.admin, head.as_bytes()).status, 200);
}

#[test]
fn every_route_of_the_webhook_port_has_its_door() {
    let (callgate, command_line) = start();
    let defaults = callgate.setup().run(&["defaults", "engine"]);
    let defaults = String::from_utf8(defaults.stdout).unwrap();
    let routes: Vec<&str> = defaults
        .lines()
        .filter_map(|line| line.strip_prefix("    /")?.split_once(": "))
        .map(|(route, _)| route)
        .collect();
    assert_eq!(routes.len(), 7, "{routes:?}");
    let body = calls::body("beforeSendSingleMsg", "hello");
    for route in routes {
        for below in [
            "",
            "/",
            "/auth",
            "/callbackBeforeSendSingleMsgCommand",
            "?event=msg.notify",
        ] {
            for token in [NOBODY, WRONG, TOKEN, LIMITED, &command_line] {
                for (method, origin) in [("POST", ""), ("POST", "http://evil.example"), ("GET", "")]
                {
                    let mut lines =
                        format!("{method} /{route}{below} HTTP/1.1\r\nHost: evil.example\r\n");
                    if token != NOBODY {
                        lines.push_str(&format!("Authorization: Bearer {token}\r\n"));
                    }
                    if !origin.is_empty() {
                        lines.push_str(&format!("Origin: {origin}\r\n"));
                    }
                    lines.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
                    let answer = http::send(callgate.http, lines.as_bytes());
                    let expected = gets_in(Callers, token, &command_line, false);
                    let who = format!("{method} /{route}{below} with `{token}`: {answer:?}");
                    assert_eq!(answer.status != 401, expected, "{who}");
                    if expected && !origin.is_empty() {
                        assert_eq!(answer.status, 403, "{who}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_command_line_on_this_machine_finds_its_token() {
    let (callgate, token) = start();
    let (admin, grpc) = (callgate.admin.port(), callgate.grpc);
    let server = format!("http://127.0.0.1:{admin}");
    let run = |args: &[&str]| {
        let output = callgate.setup().run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    for args in [
        &["status", "--server", &server][..],
        &["outbox", "status", "--server", &server],
        &["rooms", "--server", &server],
        &["send", "hello", "--server", &format!("http://{grpc}")],
    ] {
        assert_eq!(run(args).0, Some(0), "{args:?}: {}", run(args).1);
    }
    // Elsewhere it is given.
    let elsewhere = |token: &str| {
        let mut command = callgate.setup().command(&["status", "--server", &server]);
        command.env("CALLGATE_TOKEN", token).output().unwrap()
    };
    assert!(elsewhere(&token).status.success());
    let refused = elsewhere(WRONG);
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("CALLGATE_TOKEN"), "{text}");
    assert!(!callgate.log().contains(&token), "{}", callgate.log());
    let shown: Value = serde_json::from_slice(&elsewhere_json(&callgate, &server, &token)).unwrap();
    assert!(!shown.to_string().contains(&token));
}

fn elsewhere_json(callgate: &Callgate, server: &str, token: &str) -> Vec<u8> {
    let mut command = callgate
        .setup()
        .command(&["status", "--json", "--server", server]);
    command
        .env("CALLGATE_TOKEN", token)
        .output()
        .unwrap()
        .stdout
}

#[test]
fn an_operators_port_that_is_left_open_is_warned_about() {
    let setup = || {
        Setup::new("hooks: {}\n")
            .engine("admin.listen", "0.0.0.0:0")
            .engine("admin.unprotected", "true")
    };
    let warning = "whoever reaches 0.0.0.0:0 may see everything and give orders";
    let checked = setup().run(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains(warning), "{text}");
    let callgate = setup().start();
    wait_for("the warning", PATIENCE, || {
        callgate.log().contains(warning).then_some(())
    });
    let status = callgate.status();
    assert!(
        status["engine_warnings"].to_string().contains(warning),
        "{status}"
    );
}

fn names(services: &[(&str, Door)]) -> BTreeSet<String> {
    services
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect()
}

/// The services that a port lists.
fn served(address: SocketAddr, token: &str) -> BTreeSet<String> {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let mut client = ServerReflectionClient::new(endpoint.connect().await.unwrap());
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut request = Request::new(tokio_stream::once(list));
        let value = MetadataValue::try_from(authorization(token)).unwrap();
        request.metadata_mut().insert("authorization", value);
        let mut answers = client
            .server_reflection_info(request)
            .await
            .unwrap()
            .into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        match answer.message_response {
            Some(MessageResponse::ListServicesResponse(list)) => {
                // One of the two versions of reflection lists itself alone.
                let alpha = "grpc.reflection.v1alpha.ServerReflection".to_owned();
                list.service
                    .into_iter()
                    .map(|one| one.name)
                    .chain([alpha])
                    .collect()
            }
            other => panic!("{other:?}"),
        }
    })
}
