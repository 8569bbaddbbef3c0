//! The files in `deploy/` for Compose and Kubernetes: each can be read, what they say of ports, probes
//! and each other is so, and their settings are taken by the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use callgate::settings::{Map, Node, Problems, Value, parse};

use crate::harness::{Callgate, Setup, http};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

/// The documents of a file.
fn documents(file: &Path) -> Vec<Node> {
    let text = fs::read_to_string(file).unwrap();
    let parts = text.split("\n---\n").map(|part| {
        let problems = Problems::default();
        let node = parse(&"f".into(), part.as_bytes(), &problems);
        let wrong = problems.into_sorted();
        assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
        node.unwrap()
            .unwrap_or_else(|| panic!("{} says nothing", file.display()))
    });
    parts.collect()
}

fn kubernetes() -> Vec<(PathBuf, Node)> {
    let mut found = Vec::new();
    for folder in ["kubernetes", "kubernetes/stateless"] {
        for entry in fs::read_dir(deploy().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                found.extend(
                    documents(&path)
                        .into_iter()
                        .map(|node| (path.clone(), node)),
                );
            }
        }
    }
    found
}

fn map(node: &Node) -> &Map {
    match &node.value {
        Value::Map(map) => map,
        other => panic!("no map: {other:?}"),
    }
}

/// What stands below keys, one below the other; a number is a place in a list.
fn find<'a>(node: &'a Node, path: &str) -> Option<&'a Node> {
    path.split(' ')
        .try_fold(node, |node, key| match &node.value {
            Value::Map(map) => map.get(&key.to_lowercase()).map(|entry| &entry.node),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        })
}

fn at<'a>(node: &'a Node, path: &str) -> &'a Node {
    find(node, path).unwrap_or_else(|| panic!("no `{path}`"))
}

fn text<'a>(node: &'a Node, path: &str) -> &'a str {
    match &at(node, path).value {
        Value::Scalar(text) => text,
        other => panic!("`{path}` is {other:?}"),
    }
}

fn list<'a>(node: &'a Node, path: &str) -> &'a [Node] {
    match &at(node, path).value {
        Value::List(items) => items,
        other => panic!("`{path}` is {other:?}"),
    }
}

fn of_kind<'a>(all: &'a [(PathBuf, Node)], kind: &str) -> Vec<&'a Node> {
    let nodes = all.iter().map(|(_, node)| node);
    nodes.filter(|node| text(node, "kind") == kind).collect()
}

fn is_taken(env: &[(String, String)], files: &[(String, String)]) {
    let mut setup = Setup::new("hooks: {}\n");
    fs::remove_file(setup.policies().join("engine.yaml")).unwrap();
    for (name, text) in files {
        setup.write(name, text);
    }
    for (name, value) in env {
        setup = setup.env(name, value);
    }
    let output = setup.run(&["check"]);
    assert!(
        output.status.success(),
        "{env:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_object_of_kubernetes_has_what_each_needs() {
    let all = kubernetes();
    let kinds: BTreeSet<&str> = all.iter().map(|(_, node)| text(node, "kind")).collect();
    let wanted = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "StatefulSet",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
    for (file, node) in &all {
        assert!(!text(node, "apiVersion").is_empty(), "{}", file.display());
        assert!(
            !text(node, "metadata name").is_empty(),
            "{}",
            file.display()
        );
    }
    let set = of_kind(&all, "StatefulSet")[0];
    let services = of_kind(&all, "Service");
    let headless = text(set, "spec serviceName");
    let named = |service: &&&Node| text(service, "metadata name") == headless;
    let service = services.iter().find(named).expect("its service");
    assert_eq!(text(service, "spec clusterIP"), "None");
    let label = text(set, "spec template metadata labels app");
    for service in &services {
        assert_eq!(text(service, "spec selector app"), label);
    }
    let budget = of_kind(&all, "PodDisruptionBudget")[0];
    assert_eq!(text(budget, "spec selector matchLabels app"), label);
    let scaler = of_kind(&all, "HorizontalPodAutoscaler")[0];
    assert_eq!(text(scaler, "spec scaleTargetRef kind"), "StatefulSet");
    assert_eq!(
        text(scaler, "spec scaleTargetRef name"),
        text(set, "metadata name")
    );
}

#[test]
fn probes_and_ports_are_those_of_the_program() {
    let all = kubernetes();
    let callgate = Callgate::start("hooks: {}");
    let config = of_kind(&all, "ConfigMap")[0];
    let engine = text(config, "data engine.yaml");
    let workloads = [of_kind(&all, "StatefulSet"), of_kind(&all, "Deployment")].concat();
    assert_eq!(workloads.len(), 2);
    for workload in workloads {
        let container = at(workload, "spec template spec containers 0");
        let ports = list(container, "ports");
        let port = |name: &str| {
            let port = ports.iter().find(|port| text(port, "name") == name);
            text(port.expect(name), "containerPort").to_owned()
        };
        for name in ["grpc", "http", "admin"] {
            let listens = format!("{name}: {{listen: \"0.0.0.0:{}\"", port(name));
            assert!(engine.contains(&listens), "{listens} is not in\n{engine}");
        }
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(text(container, &format!("{probe} httpGet port")), "admin");
            let path = text(container, &format!("{probe} httpGet path"));
            assert_eq!(http::get(callgate.admin, path).status, 200, "{path}");
        }
        let secret = of_kind(&all, "Secret")[0];
        let of_secret = at(container, "env 0 valueFrom secretKeyRef");
        assert_eq!(text(of_secret, "name"), text(secret, "metadata name"));
        text(secret, &format!("stringData {}", text(of_secret, "key")));
        for service in of_kind(&all, "Service") {
            for served in list(service, "spec ports") {
                assert_eq!(text(served, "port"), port(text(served, "targetPort")));
            }
        }
        let volumes = list(workload, "spec template spec volumes");
        let map = text(&volumes[0], "configMap name");
        assert_eq!(map, text(config, "metadata name"));
    }
}

#[test]
fn the_settings_for_kubernetes_are_taken() {
    let all = kubernetes();
    let config = at(of_kind(&all, "ConfigMap")[0], "data");
    let files: Vec<_> = map(config)
        .values()
        .map(|entry| match &entry.node.value {
            Value::Scalar(text) => (entry.key.clone(), text.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let url = text(of_kind(&all, "Secret")[0], "stringData url");
    for workload in [of_kind(&all, "StatefulSet"), of_kind(&all, "Deployment")].concat() {
        let container = at(workload, "spec template spec containers 0");
        let variables = list(container, "env").iter().map(|variable| {
            let name = text(variable, "name").to_owned();
            match find(variable, "value") {
                Some(_) => (name, text(variable, "value").to_owned()),
                // From the secret, or the name of the pod.
                None if name == "CALLGATE_POSTGRES_URL" => (name, url.to_owned()),
                None => (name, "callgate-0".to_owned()),
            }
        });
        is_taken(&variables.collect::<Vec<_>>(), &files);
    }
}

#[test]
fn the_settings_for_compose_are_taken() {
    let compose = &documents(&deploy().join("compose.yaml"))[0];
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        secret.path(),
        "postgres://callgate:x@postgres:5432/callgate",
    )
    .unwrap();
    let services = map(at(compose, "services"));
    let mut replicas = BTreeSet::new();
    for service in services.values() {
        let Some(environment) = find(&service.node, "environment") else {
            continue;
        };
        if !service.key.starts_with("callgate") {
            continue;
        }
        let variables = environment_of(environment);
        let mut taken = Vec::new();
        for (name, value) in variables {
            if name == "CALLGATE_ENGINE__STORAGE__REPLICA" {
                replicas.insert(value.clone());
            }
            let value = match name.as_str() {
                "CALLGATE_ENGINE__STORAGE__URL_FILE" => secret.path().display().to_string(),
                _ => value,
            };
            taken.push((name, value));
        }
        is_taken(&taken, &[]);
    }
    assert_eq!(replicas.len(), 3, "{replicas:?}");
    let secrets = map(at(compose, "secrets"));
    assert!(secrets.contains_key("callgate-url") && secrets.contains_key("postgres-password"));
}

fn environment_of(node: &Node) -> Vec<(String, String)> {
    let entries = map(node).values().map(|entry| match &entry.node.value {
        Value::Scalar(value) => (entry.key.clone(), value.clone()),
        other => panic!("{} is {other:?}", entry.key),
    });
    entries.collect()
}
