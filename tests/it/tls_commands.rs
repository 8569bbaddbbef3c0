//! Commands that ask a server with TLS.

use std::process::Output;

use crate::harness::tls::{Authority, HERE, Valid, replace};
use crate::harness::{Callgate, Setup};

const POLICY: &str = "hooks: {beforeMsgModify: {}}\n";

fn text(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|part| String::from_utf8_lossy(part));
    both.concat()
}

/// A server whose own ports have certificates for `names`, and the directory of its files.
fn start(
    server: &Authority,
    names: &[&str],
    callers: Option<&Authority>,
) -> (Callgate, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = server
        .issue(names, Valid::Now)
        .write(directory.path(), "server");
    let mut setup = Setup::new(POLICY);
    for port in ["grpc", "admin"] {
        setup = setup
            .engine(&format!("{port}.tls.cert"), &cert.display().to_string())
            .engine(&format!("{port}.tls.key"), &key.display().to_string());
    }
    if let Some(callers) = callers {
        let file = directory.path().join("callers.pem");
        replace(&file, &callers.pem);
        setup = setup
            .engine("grpc.tls.client_ca", &file.display().to_string())
            .engine("grpc.tls.client_required", "true");
    }
    let gate = setup.start_with_log(std::process::Stdio::null());
    (gate, directory)
}

#[test]
fn commands_trust_the_certificate_of_engine_yaml_whatever_name_it_is_for() {
    let (gate, _files) = start(&Authority::new("a"), &["callgate.example"], None);
    let (admin, grpc) = (
        format!("https://{}", gate.admin),
        format!("https://{}", gate.grpc),
    );
    for args in [
        ["status", "--server", &admin].as_slice(),
        &["outbox", "status", "--server", &admin],
        &["rooms", "list", "--server", &admin],
        &["send", "hello", "--server", &grpc],
    ] {
        let output = gate.setup().run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
    }
    for (command, address) in [("status", gate.admin), ("send", gate.grpc)] {
        let plain = format!("http://{address}");
        let mut args = vec![command, "--server", &plain];
        args.extend((command == "send").then_some("hello"));
        let output = gate.setup().run(&args);
        assert_eq!(output.status.code(), Some(3));
        let said = text(&output);
        assert!(
            said.contains("it seems to have TLS: write https://"),
            "{said}"
        );
    }
    assert!(
        gate.started.contains("--server https://"),
        "{}",
        gate.started
    );
}

#[test]
fn a_server_elsewhere_is_trusted_by_its_authority() {
    let authority = Authority::new("a");
    let (gate, files) = start(&authority, &HERE, None);
    let ca = files.path().join("ca.pem");
    replace(&ca, &authority.pem);
    let other = files.path().join("other.pem");
    replace(&other, &Authority::new("b").pem);
    let elsewhere = Setup::new(POLICY);
    let admin = format!("https://{}", gate.admin);
    let run = |ca: Option<&std::path::Path>, server: &str| {
        let mut args = vec!["status", "--server", server];
        let ca = ca.map(|ca| ca.display().to_string());
        args.extend(ca.iter().flat_map(|ca| ["--ca", ca.as_str()]));
        let output = elsewhere.run(&args);
        (output.status.code(), text(&output))
    };
    assert_eq!(run(Some(&ca), &admin).0, Some(0));
    for (ca, words) in [
        (None, "with --ca"),
        (Some(other.as_path()), "UnknownIssuer"),
    ] {
        let (code, said) = run(ca, &admin);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(words), "{words} in {said}");
    }
    let (code, said) = run(Some(&files.path().join("none.pem")), &admin);
    assert_eq!(code, Some(3));
    assert!(said.contains("none.pem: cannot be read"), "{said}");
    let plain = format!("https://{}", gate.http);
    let (_, said) = run(Some(&ca), &plain);
    assert!(said.contains("TLS failed"), "{said}");
}

#[test]
fn a_server_that_asks_who_calls_is_shown_a_certificate() {
    let (server, callers) = (Authority::new("a"), Authority::new("callers"));
    let (gate, files) = start(&server, &HERE, Some(&callers));
    let ours = callers.issue(&["ops"], Valid::Now);
    let (cert, key) = ours.write(files.path(), "ours");
    let grpc = format!("https://{}", gate.grpc);
    let run = |more: &[&str]| {
        let args = [&["send", "hello", "--server", &grpc], more].concat();
        let output = gate.setup().run(&args);
        (output.status.code(), text(&output))
    };
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let (code, said) = run(&["--client-cert", &cert, "--client-key", &key]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("--client-cert"), "{said}");
    let (code, said) = run(&["--client-cert", &cert]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("belong together"), "{said}");
}
