//! Secrets and certificates that a policy names: where they are, and whether they can be used.

use super::endpoint::SecretSource;
use super::sources::{CompileContext, FileSet};
use super::spec::Spec;
use crate::settings::Problems;

/// A file that a policy depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    pub path: String,
    /// Who can read it can sign, call or be called in somebody's name.
    pub secret: bool,
}

/// Makes the paths of both relative to the policy directory, and reports those that cannot be
/// used. Returns the files that are outside of the policy, so that their edits are noticed.
pub(super) fn settle(
    spec: &mut Spec,
    files: &FileSet,
    context: &CompileContext,
    problems: &Problems,
) -> Vec<Outside> {
    let mut outside = settle_callers(spec, files, context, problems);
    for endpoint in &mut spec.endpoints {
        let tls = &mut endpoint.endpoint.tls;
        let client = tls
            .client
            .iter_mut()
            .flat_map(|(cert, key)| [(cert, false), (key, true)]);
        for (path, secret) in tls.ca.iter_mut().map(|path| (path, false)).chain(client) {
            *path = files.beside(path);
            outside.push(Outside {
                path: path.clone(),
                secret,
            });
        }
        if let Some(check) = context.check_tls {
            for why in check(tls) {
                let hint = "a path is relative to the policy directory, or begins with `/`";
                problems.error(&endpoint.at_tls, why, hint);
            }
        }
        let Some(sign) = &mut endpoint.endpoint.sign else {
            continue;
        };
        let hint = match &mut sign.secret {
            SecretSource::Env(name) => format!("set `{name}` where callgate runs"),
            SecretSource::File(path) => {
                *path = files.beside(path);
                outside.push(Outside {
                    path: path.clone(),
                    secret: true,
                });
                "a path is relative to the policy directory, or begins with `/`".to_owned()
            }
        };
        if let Some(check) = context.check_secret
            && let Err(why) = check(&sign.secret)
        {
            let what = format!("calls cannot be signed: {why}");
            problems.error(&endpoint.at_secret, what, hint);
        }
    }
    outside
}

/// The same for what callers are known by.
fn settle_callers(
    spec: &mut Spec,
    files: &FileSet,
    context: &CompileContext,
    problems: &Problems,
) -> Vec<Outside> {
    let mut outside = Vec::new();
    for caller in &mut spec.callers {
        let (tokens, paths) = (&mut caller.caller.tokens, &mut caller.caller.paths);
        for (secrets, at) in [(tokens, &caller.at_tokens), (paths, &caller.at_paths)] {
            for source in &mut secrets.sources {
                if let SecretSource::File(path) = source {
                    *path = files.beside(path);
                    outside.push(Outside {
                        path: path.clone(),
                        secret: true,
                    });
                }
                if let Some(check) = context.check_token
                    && let Err(why) = check(source)
                {
                    let what = format!("nobody could be known by it: {why}");
                    let hint = "write at least 16 characters there, such as `callgate hash-token --new` makes";
                    problems.error(at, what, hint);
                }
            }
        }
    }
    outside
}
