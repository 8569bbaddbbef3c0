//! Every route and method of the three ports, asked by everybody: who gets in stands in a table,
//! and what is not in the table is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use callgate::policy::Digest;
use serde_json::Value;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataKey, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use crate::harness::{Callgate, Raw, Setup, calls, http};

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

/// The pages of the operators' port.
const PAGES: [(&str, Door); 6] = [
    ("/", CommandLine),
    ("/healthz", Everybody),
    ("/metrics", Everybody),
    ("/readyz", Everybody),
    ("/readyz/after", Everybody),
    ("/status", CommandLine),
];

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

/// Methods by service, of our own proto files and of those that come with the libraries.
fn methods() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut files = Vec::new();
    protos(&root().join("proto"), &mut files);
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let (mut package, mut service) = ("", String::new());
        for line in text.lines().map(str::trim) {
            let words: Vec<&str> = line.split([' ', ';', '(', '{']).collect();
            match words[..] {
                ["package", name, ..] => package = name,
                ["service", name, ..] => service = format!("{package}.{name}"),
                ["rpc", name, ..] => found
                    .entry(service.clone())
                    .or_default()
                    .push(name.to_owned()),
                _ => {}
            }
        }
    }
    for version in ["v1", "v1alpha"] {
        let service = format!("grpc.reflection.{version}.ServerReflection");
        found.insert(service, vec!["ServerReflectionInfo".to_owned()]);
    }
    let health = vec!["Check".to_owned(), "List".to_owned()];
    found.insert("grpc.health.v1.Health".to_owned(), health);
    found
}

fn protos(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => protos(&path, files),
            false => files.push(path),
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Calls a method with an empty message; the error, if there is one.
fn call(address: SocketAddr, path: &str, lines: &[(&str, &str)], host: &str) -> Option<Status> {
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

#[test]
fn every_page_and_method_of_the_operators_port_has_its_door() {
    let (callgate, command_line) = start();
    let port = callgate.admin.port();
    let here = format!("127.0.0.1:{port}");
    let ask = |head: String, token: &str, origin: &str, host: &str| {
        let mut lines = format!("{head} HTTP/1.1\r\nHost: {host}\r\n");
        if token != NOBODY {
            lines.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !origin.is_empty() {
            lines.push_str(&format!("Origin: {origin}\r\n"));
        }
        lines
    };
    let everybody = [NOBODY, WRONG, TOKEN, LIMITED, &command_line];
    for (page, door) in PAGES {
        for token in everybody {
            for (origin, host) in [
                ("", &*here),
                ("http://evil.example", &*here),
                ("", "evil.example"),
            ] {
                let get = ask(format!("GET {page}"), token, origin, host) + "\r\n";
                let status = http::send(callgate.admin, get.as_bytes()).status;
                let expected = gets_in(door, token, &command_line, false);
                assert_eq!(status == 200, expected, "{page} with `{token}`: {status}");
                assert!(
                    status == 200 || status == 401,
                    "{page} with `{token}`: {status}"
                );
            }
        }
    }
    let methods = methods();
    for (service, door) in ADMIN_SERVICES {
        for method in &methods[service] {
            let path = format!("/{service}/{method}");
            for token in everybody {
                for (origin, host) in [
                    ("", &*here),
                    ("http://evil.example", &*here),
                    ("", "evil.example"),
                ] {
                    let code = call_as(callgate.admin, &path, token, origin, host);
                    let expected = gets_in(door, token, &command_line, false);
                    let who =
                        format!("{path} with `{token}` from `{origin}` at `{host}`: {code:?}");
                    assert_eq!(code != Some(Code::Unauthenticated), expected, "{who}");
                    // Not even with the token does a page of a stranger give orders.
                    let foreign = !origin.is_empty() || host == "evil.example";
                    // The answer is no gRPC, so its client reads one or the other from it.
                    let denied = matches!(code, Some(Code::PermissionDenied | Code::Internal));
                    assert_eq!(denied, expected && foreign, "{who}");
                }
            }
        }
    }
    // Nothing is said of what there is.
    let unknown = http::get(callgate.admin, "/nothing");
    assert_eq!(unknown.status, 401);
    assert_eq!(
        routes_in_the_code(),
        PAGES.map(|(page, _)| page.to_owned()).into()
    );
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
    assert!(callgate.log().contains(warning), "{}", callgate.log());
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

/// The pages that the code of the operators' port has.
fn routes_in_the_code() -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for entry in fs::read_dir(root().join("src/admin")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = fs::read_to_string(path).unwrap();
            for rest in text.split(".route(").skip(1) {
                let route = rest.trim_start().strip_prefix('"').unwrap();
                routes.insert(route.split('"').next().unwrap().to_owned());
            }
        }
    }
    routes
}
