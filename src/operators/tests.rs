//! Operators as a whole: with their file, and a clock that is paused.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::clock::Clock;

const PASSWORD: &str = "a long password";
const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

const OFF: Change = Change {
    role: None,
    rights: None,
    lists: None,
    disabled: Some(true),
};

struct Bench {
    folder: tempfile::TempDir,
    operators: Arc<Operators>,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let operators = open(&folder);
        Bench { folder, operators }
    }

    /// The process ended and was started again.
    fn again(self) -> Bench {
        let Bench { folder, operators } = self;
        drop(operators);
        let operators = open(&folder);
        Bench { folder, operators }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data/operators.db")
    }

    async fn first(&self) -> Secret {
        let link = self.operators.invite_first().unwrap().unwrap();
        self.accept(&link, "ann", PASSWORD).await.unwrap()
    }

    async fn accept(
        &self,
        link: &Invited,
        name: &str,
        password: &str,
    ) -> Result<Secret, OperatorsError> {
        let shown = link.secret.text();
        self.operators
            .accept(shown, name, password.to_owned(), None)
            .await
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<Secret, OperatorsError> {
        self.operators
            .log_in(name, password.to_owned(), None, None)
            .await
    }

    async fn add(&self, name: &str, role: Role) {
        let link = self.operators.invite(name, Some(grant(role)), &Grant::ALL);
        self.accept(&link.unwrap(), name, PASSWORD).await.unwrap();
    }

    fn knows(&self, session: &Secret) -> bool {
        self.operators
            .by_session(session.text().as_bytes())
            .is_some()
    }
}

fn open(folder: &tempfile::TempDir) -> Arc<Operators> {
    let path = folder.path().join("data/operators.db");
    Arc::new(Operators::open(&path, Clock::start_at(SystemTime::now())).unwrap())
}

fn grant(role: Role) -> Grant {
    Grant {
        role,
        rights: Rights::default(),
        lists: ListLimit::All,
    }
}

fn is_used_up<T>(done: Result<T, OperatorsError>) -> bool {
    matches!(done, Err(OperatorsError::Invitation))
}

#[tokio::test(start_paused = true)]
async fn a_link_is_good_once_and_for_an_hour() {
    let bench = Bench::new();
    assert!(!bench.path().exists(), "nothing to write yet");
    let link = bench.operators.invite_first().unwrap().unwrap();
    let other = bench.operators.invite_first().unwrap().unwrap();
    // What was chosen did not do: the link stays good.
    assert!(bench.accept(&link, "ann", "short").await.is_err());
    assert!(
        bench
            .accept(&link, "a name with blanks", PASSWORD)
            .await
            .is_err()
    );
    let session = bench.accept(&link, "Ann", PASSWORD).await.unwrap();
    assert!(bench.knows(&session));
    assert!(is_used_up(bench.accept(&link, "bob", PASSWORD).await));
    // The first operator is there, so nobody else is it.
    assert!(is_used_up(bench.accept(&other, "bob", PASSWORD).await));
    assert!(bench.operators.invite_first().unwrap().is_none());
    assert_eq!(bench.operators.operators()[0].grant, Grant::ALL);

    let link = bench
        .operators
        .invite("bob", Some(grant(Role::Viewer)), &Grant::ALL);
    let link = link.unwrap();
    assert!(matches!(
        bench.accept(&link, "eve", PASSWORD).await,
        Err(OperatorsError::OtherName(_))
    ));
    tokio::time::advance(HOUR).await;
    assert!(is_used_up(bench.accept(&link, "bob", PASSWORD).await));
    let link = bench
        .operators
        .invite("bob", Some(grant(Role::Viewer)), &Grant::ALL);
    let (link, bench) = (link.unwrap(), bench.again());
    bench.accept(&link, "BOB", PASSWORD).await.unwrap();
    let bench = bench.again();
    assert!(is_used_up(bench.accept(&link, "bob", PASSWORD).await));
    assert_eq!(bench.operators.operators().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_many_use_at_once_makes_one_operator() {
    let bench = Bench::new();
    let link = bench.operators.invite_first().unwrap().unwrap();
    let (one, two, three) = tokio::join!(
        bench.accept(&link, "ann", PASSWORD),
        bench.accept(&link, "bob", PASSWORD),
        bench.accept(&link, "eve", PASSWORD),
    );
    let let_in = [one, two, three].into_iter().filter(Result::is_ok).count();
    assert_eq!((let_in, bench.operators.operators().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn sessions_end_when_they_should_and_outlive_a_restart() {
    let bench = Bench::new();
    let first = bench.first().await;
    let bench = bench.again();
    assert!(bench.knows(&first));
    let second = bench.log_in("ANN", PASSWORD).await.unwrap();
    // In use all the time: seven days are the end.
    for _ in 0..16 {
        assert!(bench.knows(&second));
        tokio::time::advance(10 * HOUR + HOUR / 2).await;
    }
    assert!(!bench.knows(&second));
    // Not in use: twelve hours are.
    let third = bench.log_in("ann", PASSWORD).await.unwrap();
    tokio::time::advance(12 * HOUR - HOUR / 60).await;
    assert!(bench.knows(&third));
    tokio::time::advance(12 * HOUR).await;
    assert!(!bench.knows(&third));

    // Logged out; logged in again from the same browser.
    let session = bench.log_in("ann", PASSWORD).await.unwrap();
    bench.operators.log_out(&session.digest()).unwrap();
    assert!(!bench.knows(&session));
    let old = bench.log_in("ann", PASSWORD).await.unwrap();
    let shown = Some(old.text().as_bytes());
    let new = bench
        .operators
        .log_in("ann", PASSWORD.to_owned(), None, shown)
        .await;
    let new = new.unwrap();
    assert!(!bench.knows(&old) && bench.knows(&new));
    let others = bench.log_in("ann", PASSWORD).await.unwrap();
    bench.operators.log_out_others(1, &new.digest()).unwrap();
    assert!(!bench.knows(&others) && bench.knows(&new));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_proof_for_ten_minutes() {
    let bench = Bench::new();
    let session = bench.first().await;
    let known = bench.operators.by_session(session.text().as_bytes());
    let known = known.unwrap();
    let By::Session { secret, .. } = &known.by else {
        panic!("{known:?}");
    };
    let prove = |password: &str| bench.operators.prove(secret, password.to_owned(), None);
    assert!(bench.operators.is_proved(secret));
    tokio::time::sleep(HOUR / 6).await;
    assert!(!bench.operators.is_proved(secret));
    let wrong = prove("another password").await;
    assert!(matches!(wrong, Err(OperatorsError::Wrong)), "{wrong:?}");
    assert!(!bench.operators.is_proved(secret));
    prove(PASSWORD).await.unwrap();
    assert!(bench.operators.is_proved(secret));
    // A session that is over proves nothing, and nobody is known by it.
    assert!(bench.operators.still_knows(&known));
    bench.operators.log_out(secret).unwrap();
    assert!(!bench.operators.is_proved(secret));
    assert!(!bench.operators.still_knows(&known));
    assert!(prove(PASSWORD).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_change_of_password_or_role_ends_what_was_stolen() {
    let bench = Bench::new();
    let stolen = bench.first().await;
    let operators = &bench.operators;
    let changed =
        operators.change_password(1, PASSWORD.to_owned(), "another password".to_owned(), None);
    let changed = changed.await.unwrap();
    assert!(!bench.knows(&stolen) && bench.knows(&changed));
    assert!(bench.log_in("ann", PASSWORD).await.is_err());
    let wrong = operators.change_password(1, PASSWORD.to_owned(), "x".repeat(20), None);
    assert!(matches!(wrong.await, Err(OperatorsError::Wrong)));

    bench.add("bob", Role::Moderator).await;
    let by = &Grant::ALL;
    for (role, disabled) in [(Some(Role::Viewer), None), (None, Some(true))] {
        let session = bench.log_in("bob", PASSWORD).await.unwrap();
        operators
            .set(
                "Bob",
                Change {
                    role,
                    disabled,
                    ..Change::default()
                },
                by,
            )
            .unwrap();
        assert!(!bench.knows(&session));
    }
    assert!(matches!(
        bench.log_in("bob", PASSWORD).await,
        Err(OperatorsError::Wrong)
    ));
    // A new link lets him in again, as what he is now.
    let link = operators.invite("bob", None, by).unwrap();
    let session = bench.accept(&link, "bob", "third password").await.unwrap();
    let bob = operators.by_session(session.text().as_bytes()).unwrap();
    assert_eq!(bob.grant, grant(Role::Viewer));
    // A link that was sent before he was shut out is none.
    let link = operators.invite("bob", None, by).unwrap();
    operators.set("bob", OFF, by).unwrap();
    assert!(is_used_up(bench.accept(&link, "bob", PASSWORD).await));
}

#[tokio::test(start_paused = true)]
async fn a_token_does_what_its_owner_may_and_no_more() {
    let bench = Bench::new();
    bench.first().await;
    bench.add("bob", Role::Moderator).await;
    let operators = &bench.operators;
    let make = |grant, by: &Grant| operators.make_token("ci", Some(2), grant, 24 * HOUR, by);
    assert!(matches!(
        make(Grant::ALL, &grant(Role::Moderator)),
        Err(OperatorsError::Beyond(_))
    ));
    let (secret, token) = make(grant(Role::Moderator), &grant(Role::Moderator)).unwrap();
    assert!(secret.text().starts_with("cg_"));
    let shown = || operators.by_token(secret.text().as_bytes());
    assert_eq!(shown().unwrap().grant.role, Role::Moderator);
    assert_eq!(shown().unwrap().name, "bob");
    assert!(operators.tokens(Some(2))[0].used_ms() > 0);
    operators
        .set(
            "bob",
            Change {
                role: Some(Role::Viewer),
                ..Change::default()
            },
            &Grant::ALL,
        )
        .unwrap();
    assert_eq!(shown().unwrap().grant.role, Role::Viewer);
    operators.set("bob", OFF, &Grant::ALL).unwrap();
    assert_eq!(shown(), None);
    operators
        .set(
            "bob",
            Change {
                disabled: Some(false),
                ..OFF
            },
            &Grant::ALL,
        )
        .unwrap();
    assert!(shown().is_some());
    // Not another operator's to take away.
    assert!(operators.remove_token(&token.id, Some(1)).is_err());
    tokio::time::advance(24 * HOUR).await;
    assert_eq!(shown(), None);
    operators.remove_token(&token.id, Some(2)).unwrap();
    assert!(operators.tokens(None).is_empty());

    let (program, _) = operators
        .make_token("prometheus", None, grant(Role::Viewer), HOUR, &Grant::ALL)
        .unwrap();
    assert_eq!(
        operators.by_token(program.text().as_bytes()).unwrap().name,
        "prometheus"
    );
    // No operator lets himself have what he has not.
    let without_text = &grant(Role::Operator);
    assert!(operators.invite("ann", None, without_text).is_err());
    assert!(operators.set("ann", OFF, without_text).is_err());
    assert!(
        operators
            .invite("new", Some(Grant::ALL), without_text)
            .is_err()
    );
}

fn of(lists: &[&str]) -> Grant {
    Grant {
        lists: ListLimit::of(lists),
        ..grant(Role::Moderator)
    }
}

#[tokio::test(start_paused = true)]
async fn a_moderator_of_some_lists_stays_one_over_a_restart() {
    let bench = Bench::new();
    bench.first().await;
    let operators = &bench.operators;
    let link = operators.invite("bob", Some(of(&["ads", "a, \"b\""])), &Grant::ALL);
    let session = bench.accept(&link.unwrap(), "bob", PASSWORD).await.unwrap();
    let make =
        |lists: &[&str], by: &Grant| operators.make_token("ci", Some(2), of(lists), HOUR, by);
    let by = of(&["ads", "a, \"b\""]);
    for beyond in [&["spam"][..], &[], &["ads", "spam"]] {
        let made = make(beyond, &by);
        assert!(matches!(made, Err(OperatorsError::Beyond(_))), "{beyond:?}");
    }
    let (token, _) = make(&["ads"], &by).unwrap();
    operators
        .invite("eve", Some(of(&["spam"])), &Grant::ALL)
        .unwrap();
    let bench = bench.again();
    let operators = &bench.operators;
    let bob = || {
        operators
            .by_session(session.text().as_bytes())
            .unwrap()
            .grant
    };
    assert_eq!(bob(), by);
    let shown = || operators.by_token(token.text().as_bytes()).unwrap().grant;
    assert_eq!(shown(), of(&["ads"]));
    // What his owner may not change any more, a token does not change either.
    let set = |change| operators.set("bob", change, &Grant::ALL);
    let lists = |lists: &[&str]| Change {
        lists: Some(ListLimit::of(lists)),
        ..Change::default()
    };
    set(lists(&["spam"])).unwrap();
    assert!(["ads", "spam"].iter().all(|list| !shown().may_change(list)));
    let role = |role| Change {
        role: Some(role),
        ..Change::default()
    };
    // A limit that would say nothing is refused, and none is lost on the way.
    assert!(matches!(
        set(role(Role::Operator)),
        Err(OperatorsError::Unlimited(_))
    ));
    set(role(Role::Viewer)).unwrap();
    let bob = set(role(Role::Moderator)).unwrap();
    assert_eq!(bob.grant, of(&["spam"]));
    set(lists(&[])).unwrap();
    assert_eq!(
        set(role(Role::Operator)).unwrap().grant,
        grant(Role::Operator)
    );
}

/// As the file was before there were limits.
const EARLIER: &str = "
    PRAGMA application_id = 0x63674f50;
    CREATE TABLE operators (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
        rights TEXT NOT NULL, disabled INTEGER NOT NULL, password TEXT, made_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE sessions (secret_sha256 TEXT PRIMARY KEY NOT NULL, operator INTEGER NOT NULL,
        address TEXT, made_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE tokens (secret_sha256 TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL,
        name TEXT NOT NULL, operator INTEGER, role TEXT NOT NULL, rights TEXT NOT NULL,
        expires_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE invitations (secret_sha256 TEXT PRIMARY KEY NOT NULL, name TEXT,
        role TEXT NOT NULL, rights TEXT NOT NULL, expires_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO operators VALUES (1, 'ann', 'operator', 'text,audit', 0, NULL, 7);
    INSERT INTO operators VALUES (2, 'bob', 'moderator', '', 0, NULL, 8);";

#[test]
fn an_earlier_file_is_read_and_kept_and_a_later_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/operators.db");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = || rusqlite::Connection::open(&path).unwrap();
    file().execute_batch(EARLIER).unwrap();
    for _ in 0..2 {
        let operators = open(&folder);
        let grants: Vec<Grant> = operators
            .operators()
            .into_iter()
            .map(|one| one.grant)
            .collect();
        assert_eq!(grants, [Grant::ALL, grant(Role::Moderator)]);
        let made = operators.make_token("ci", None, of(&["ads"]), HOUR, &Grant::ALL);
        let (secret, _) = made.unwrap();
        drop(operators);
        let again = open(&folder);
        let shown = again.by_token(secret.text().as_bytes()).unwrap();
        assert_eq!(shown.grant, of(&["ads"]));
    }
    // A limit that nobody can read is not taken for none.
    for damaged in ["'[]'", "'ads'", "'[1]'", "''"] {
        file()
            .execute_batch(&format!(
                "UPDATE operators SET lists = {damaged} WHERE id = 2"
            ))
            .unwrap();
        let opened = Operators::open(&path, Clock::start_at(SystemTime::now()));
        assert!(
            matches!(opened, Err(OperatorsError::Damaged("operators"))),
            "{damaged}"
        );
    }
    file()
        .execute_batch("UPDATE operators SET lists = NULL; PRAGMA user_version = 99")
        .unwrap();
    let opened = Operators::open(&path, Clock::start_at(SystemTime::now()));
    assert!(matches!(opened, Err(OperatorsError::Later(_))));
}

/// Prints what looking a token up costs, right, nearly right and far from it, and what a login
/// costs with a name that is there and one that is not.
#[tokio::test]
#[ignore = "prints times, for a release build"]
async fn token_check() {
    let bench = Bench::new();
    bench.first().await;
    let operators = &bench.operators;
    let make = || operators.make_token("ci", None, Grant::ALL, HOUR, &Grant::ALL);
    let tokens: Vec<_> = (0..100).map(|_| make().unwrap().0).collect();
    let right = tokens[50].text().to_owned();
    let mut near = right.clone();
    near.pop();
    near.push('!');
    let far = "x".repeat(right.len());
    for _ in 0..3 {
        for (what, shown) in [("right", &right), ("near", &near), ("far", &far)] {
            let started = std::time::Instant::now();
            for _ in 0..100_000 {
                std::hint::black_box(operators.by_token(shown.as_bytes()));
            }
            println!("{what}: {:?} a look-up", started.elapsed() / 100_000);
        }
    }
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..40 {
        let name = ["ann", "nobody"][number % 2];
        let started = std::time::Instant::now();
        let is_right = operators.passwords_check(name, "a wrong password").await;
        assert!(!is_right.unwrap());
        times[number % 2].push(started.elapsed());
    }
    for (name, mut times) in ["ann", "nobody"].into_iter().zip(times) {
        times.sort();
        println!(
            "{name}: median {:?}, {:?} to {:?}",
            times[10], times[0], times[19]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_lets_somebody_in_is_in_the_file() {
    let bench = Bench::new();
    let session = bench.first().await;
    let operators = &bench.operators;
    let link = operators
        .invite("bob", Some(Grant::ALL), &Grant::ALL)
        .unwrap();
    let (token, _) = operators
        .make_token("ci", None, Grant::ALL, HOUR, &Grant::ALL)
        .unwrap();
    let mut kept = Vec::new();
    for entry in fs::read_dir(bench.path().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;

            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{path:?}");
        }
        kept.extend(fs::read(&path).unwrap());
    }
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("ann"));
    for secret in [session.text(), link.secret.text(), token.text(), PASSWORD] {
        assert!(!holds(secret));
    }
    // Nor does it stand in a log by a slip.
    assert_eq!(format!("{token:?}"), "Secret");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_ours_lets_nobody_in_by_guessing() {
    let bench = Bench::new();
    bench.first().await;
    let path = bench.path();
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("UPDATE operators SET role = 'god'", [])
        .unwrap();
    drop(file);
    let opened = Operators::open(&path, Clock::start());
    assert!(matches!(opened, Err(OperatorsError::Damaged("operators"))));
    let other = bench.folder.path().join("other.db");
    let file = rusqlite::Connection::open(&other).unwrap();
    file.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(file);
    let opened = Operators::open(&other, Clock::start());
    assert!(matches!(opened, Err(OperatorsError::Foreign(_))));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_not_so() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let operators = Operators::open(&in_the_way.join("operators.db"), Clock::start());
    let operators = Arc::new(operators.unwrap());
    let link = operators.invite_first().unwrap().unwrap();
    let made = operators
        .accept(link.secret.text(), "ann", PASSWORD.to_owned(), None)
        .await;
    assert!(made.unwrap_err().is_ours());
    assert!(!operators.is_set_up());
}
