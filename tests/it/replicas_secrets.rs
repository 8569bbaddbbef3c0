//! A password and the certificates of PostgreSQL change while callgate runs.

use std::fs;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::harness::tls::{Authority, Valid, replace};
use crate::harness::{Behaviour, Business, Callgate, Setup, wait_for};
use crate::replicas::terminate;
use crate::replicas_storage::{policy, tell, told};

const LIMIT: Duration = Duration::from_secs(60);

/// What the server is from now on.
fn serve(cluster: &Cluster, authority: &Authority) {
    let issued = authority.issue(&["127.0.0.1"], Valid::Now);
    cluster.add("server.crt", &issued.cert);
    cluster.add("server.key", &issued.key);
}

/// Whether the server is away, once the replica has found out.
fn wait_until(callgate: &Callgate, is_away: bool) {
    wait_for("what the replica finds out", LIMIT, || {
        let shared = callgate.status()["outbox"]["shared"].take();
        let done = is_away || shared["spooled"] == 0;
        (shared["away"].is_null() != is_away && done).then_some(())
    });
}

#[test]
fn a_password_and_an_authority_change_without_a_restart() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    serve(&cluster, &old);
    cluster.set("ssl = on\n");
    cluster.stop_at_once();
    cluster.start_again();
    cluster.ask("CREATE USER app PASSWORD 's3cret-1'");
    cluster.ask("GRANT CREATE ON DATABASE postgres TO app");
    let folder = tempfile::tempdir().unwrap();
    let (url_file, ca) = (folder.path().join("url"), folder.path().join("ca.pem"));
    let url = |password: &str| {
        format!(
            "postgres://app:{password}@127.0.0.1:{}/postgres\n",
            cluster.port
        )
    };
    fs::write(&url_file, url("s3cret-1")).unwrap();
    fs::write(&ca, &old.pem).unwrap();
    let business = Business::start(Behaviour::allow());
    let callgate = Setup::new(&policy(&business.url()))
        .engine("storage.kind", "postgres")
        .engine("storage.url_file", url_file.to_str().unwrap())
        .engine("storage.tls.ca", ca.to_str().unwrap())
        .start();
    assert_eq!(tell(&callgate, "a"), 200);
    wait_until(&callgate, false);

    cluster.ask("ALTER USER app PASSWORD 's3cret-2'");
    // Half of an edit: the URL of before is used on, and refused by the server.
    replace(&url_file, "postgres:");
    terminate(&cluster);
    wait_until(&callgate, true);
    assert_eq!(tell(&callgate, "b"), 200);
    replace(&url_file, &url("s3cret-2"));
    wait_until(&callgate, false);

    serve(&cluster, &new);
    cluster.ask("SELECT pg_reload_conf()");
    terminate(&cluster);
    wait_until(&callgate, true);
    assert_eq!(tell(&callgate, "c"), 200);
    replace(&ca, &new.pem);
    wait_until(&callgate, false);

    assert_eq!(tell(&callgate, "d"), 200);
    wait_for("all of them", LIMIT, || {
        (told(&business).len() >= 4).then_some(())
    });
    assert_eq!(told(&business), ["a", "b", "c", "d"]);
    let log = callgate.log();
    assert!(log.contains("what was read before is used on"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
