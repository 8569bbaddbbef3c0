//! From what the files say to a snapshot: the only way to make one.

use std::collections::BTreeMap;
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::callers::CallerRules;
use super::endpoint::Endpoint;
use super::lists::{self, Entries, line_of};
use super::overrides::Override;
use super::review;
use super::secrets::{self, Outside};
use super::snapshot::{HookRules, ListRules, Snapshot, Version};
use super::sources::{self, CALLBACK_URL, CompileContext, FileSet, POLICY_FILE, Sources};
use super::spec::{self, AskWhom, HookSpec, ListDoes, ListSpec, Named, Spec, unknown};
use super::texts::TextRules;
use crate::event::Moment;
use crate::filter::{self, Entry, EntryId, Filter, Role};
use crate::settings::{At, Problem, Problems, Section, Severity};

/// A compiled policy and everything there is to say about it.
#[derive(Debug)]
pub struct Compiled {
    /// `None` exactly if a problem is an error.
    pub snapshot: Option<Snapshot>,
    pub problems: Vec<Problem>,
    /// Files that it depends on and that are none of its own settings: secrets, certificates.
    pub outside: Vec<Outside>,
    /// The files of word lists, by path relative to the directory.
    pub lists: Vec<String>,
    /// All files that it was read from.
    pub reads: Vec<String>,
    /// Those lists that have errors, when nothing else has any.
    pub bad_lists: Vec<String>,
    /// What was compiled; `None` when policy.yaml cannot be read.
    pub(super) spec: Option<Spec>,
}

impl Compiled {
    fn nothing() -> Compiled {
        Compiled {
            snapshot: None,
            problems: Vec::new(),
            outside: Vec::new(),
            lists: Vec::new(),
            reads: Vec::new(),
            bad_lists: Vec::new(),
            spec: None,
        }
    }

    /// A policy whose files cannot be read.
    pub fn unreadable(problem: Problem) -> Compiled {
        Compiled {
            problems: vec![problem],
            ..Compiled::nothing()
        }
    }

    /// Finds the lists that are to blame for every error, if lists alone are.
    fn blame_lists(&mut self, files: &FileSet) {
        let Some(spec) = &self.spec else { return };
        let named: Vec<_> = spec
            .lists
            .iter()
            .filter_map(|list| list.file.as_ref())
            .map(|file| (sources::inside(&file.name).to_owned(), &file.at.place))
            .collect();
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        let mut bad = Vec::new();
        for problem in self.problems.iter().filter(is_error) {
            let blamed = named.iter().find(|(path, place)| {
                let stands_there = || {
                    // A file that is missing is told where it is named.
                    *problem.file == *place.file
                        && (problem.line, problem.column) == (place.line, place.column)
                        && !files.files.contains_key(path)
                };
                problem.file == *files.shown(path) || stands_there()
            });
            match blamed {
                Some((path, _)) => bad.push(path.clone()),
                None => {
                    bad.clear();
                    break;
                }
            }
        }
        bad.sort();
        bad.dedup();
        self.lists = named.into_iter().map(|(path, _)| path).collect();
        self.reads.extend_from_slice(&self.lists);
        self.bad_lists = bad;
    }
}

/// Reads, checks and compiles the files of a policy. Reports every problem at once.
pub fn compile(files: &FileSet, context: &CompileContext, number: u64) -> Compiled {
    let problems = Problems::default();
    let mut compiled = Compiled::nothing();
    if let Some(Sources {
        settings,
        overrides,
        included,
    }) = sources::read(files, context, &problems)
    {
        let file = At::file(&files.shown(POLICY_FILE));
        let root = Section::root(&settings, file.clone(), &problems);
        let mut spec = spec::read(&root, context.is_candidate);
        root.finish();
        compiled.outside = secrets::settle(&mut spec, files, context, &problems);
        review::review(&spec, files, context, &file, &overrides, &problems);
        warn_of_open_ports(&spec, context, &file, &problems);
        warn_of_plain_tokens(&spec, context, &problems);
        let compiler = Compiler {
            files,
            problems: &problems,
        };
        let version = Version {
            // A candidate is none of the policies that are or were in force.
            number: if context.is_candidate { 0 } else { number },
            hash: content_hash(files, context),
        };
        let snapshot = compiler.snapshot(&spec, version, overrides);
        compiled.snapshot = snapshot.filter(|_| !problems.any_error());
        compiled.spec = Some(spec);
        compiled.reads = included;
        compiled.reads.push(POLICY_FILE.to_owned());
    }
    compiled.problems = problems.into_sorted();
    compiled.blame_lists(files);
    compiled
}

/// The first 12 hex digits of SHA-256 over names and contents of the files and the policy's
/// variables. Engine settings and cases decide nothing, so they are left out.
pub fn content_hash(files: &FileSet, context: &CompileContext) -> Arc<str> {
    let mut sha = Context::new(&SHA256);
    let mut add = |part: &[u8]| {
        // The length in front keeps `ab` + `c` and `a` + `bc` apart.
        sha.update(&(part.len() as u64).to_be_bytes());
        sha.update(part);
    };
    for (path, content) in &files.files {
        if path != "engine.yaml" && !path.starts_with("tests/") {
            add(path.as_bytes());
            add(content);
        }
    }
    let mut variables: Vec<_> = context.env.iter().collect();
    variables.sort();
    for (name, value) in variables {
        if name.to_lowercase().starts_with("callgate_policy__") {
            add(name.as_bytes());
            add(value.as_bytes());
        }
    }
    let digest = sha.finish();
    let hex: String = digest.as_ref()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.into()
}

/// Whoever reaches a port may call, where nobody is named.
fn warn_of_open_ports(spec: &Spec, context: &CompileContext, file: &At, problems: &Problems) {
    if spec.callers.is_empty() && !context.open_ports.is_empty() {
        let ports = context.open_ports.join(" and ");
        let at = At {
            path: "callers".to_owned(),
            ..file.clone()
        };
        problems.warning(
            &at,
            format!("others reach {ports}, and whoever does may call"),
            "name who may in `callers`, or listen on 127.0.0.1",
        );
    }
}

/// A token goes over the wire with every call.
fn warn_of_plain_tokens(spec: &Spec, context: &CompileContext, problems: &Problems) {
    if context.plain_ports.is_empty() {
        return;
    }
    let ports = context.plain_ports.join(" and ");
    for caller in &spec.callers {
        if caller.caller.tokens.is_empty() {
            continue;
        }
        let at = At {
            path: format!("callers.{}", caller.caller.name),
            ..caller.at_tokens.clone()
        };
        problems.warning(
            &at,
            format!("its token can be read on the way: others reach {ports}, which speaks plain text"),
            "set `tls` of the port in engine.yaml, or listen on 127.0.0.1 behind a proxy that ends TLS",
        );
    }
}

struct Compiler<'a> {
    files: &'a FileSet,
    problems: &'a Problems,
}

impl Compiler<'_> {
    fn snapshot(
        &self,
        spec: &Spec,
        version: Version,
        overrides: Vec<Override>,
    ) -> Option<Snapshot> {
        let endpoints: Vec<Arc<Endpoint>> = spec
            .endpoints
            .iter()
            .map(|endpoint| Arc::new(endpoint.endpoint.clone()))
            .collect();
        let entries: Vec<Entries> = spec
            .lists
            .iter()
            .map(|list| self.entries(list, &spec.filters.limits))
            .collect();
        let lists: Vec<ListRules> = spec
            .lists
            .iter()
            .zip(&entries)
            .map(|(list, entries)| list_rules(list, entries))
            .collect();
        let default_lists = match &spec.filters.lists {
            Some(named) => self.list_names(named, &lists),
            None => lists.iter().map(|list| list.name.clone()).collect(),
        };
        let hooks: Vec<Resolved<'_>> = spec
            .hooks
            .iter()
            .map(|hook| self.resolve(hook, &endpoints, &lists, &default_lists))
            .collect();
        let filter = self.filter(&spec.lists, entries)?;
        let enabled = hooks.into_iter().filter(|resolved| resolved.hook.enable);
        Some(Snapshot {
            version,
            hooks: enabled
                .map(|resolved| (resolved.hook.hook.name, resolved.rules(&filter)))
                .collect(),
            endpoints,
            filter,
            lists: lists
                .into_iter()
                .map(|list| (list.name.clone(), list))
                .collect(),
            texts: TextRules {
                nested_text: spec.filters.nested_text,
                replace_in_send_hook: spec.filters.replace_in_send_hook,
                defer_types: spec.filters.defer_types.clone(),
                costs: spec.filters.costs,
                tells_list: spec.filters.tells_list,
            },
            failure: spec.failure.clone(),
            budget: spec.budget.clone(),
            overrides,
            candidate: spec.candidate.clone().map(Arc::new),
            callers: Arc::new(CallerRules {
                callers: spec
                    .callers
                    .iter()
                    .map(|spec| Arc::new(spec.caller.clone()))
                    .collect(),
                proxies: spec.proxies.clone(),
            }),
        })
    }

    fn entries(&self, list: &ListSpec, limits: &spec::ListLimits) -> Entries {
        let mut read = Entries::default();
        if let Some(Named { name: path, at }) = &list.file
            && let Some(content) = self.files.named(path, at, self.problems)
        {
            let file = self.files.shown(sources::inside(path));
            let defaults = lists::Defaults {
                tags: &list.tags,
                options: &list.options,
            };
            read = lists::read(&file, content, defaults, limits, self.problems);
        }
        let tags: Arc<[String]> = list.tags.as_slice().into();
        read.entries.extend(list.words.iter().map(|word| Entry {
            text: word.name.clone(),
            line: 0,
            tags: Arc::clone(&tags),
            options: None,
        }));
        let is_empty = read.entries.is_empty() && list.options.combos.is_empty();
        if is_empty && !self.problems.any_error() {
            let file = list
                .file
                .as_ref()
                .map(|file| self.files.shown(sources::inside(&file.name)));
            let at = file.map_or_else(|| list.at.clone(), |file| At::file(&file));
            let what = match list.does {
                ListDoes::Act(_) => "the list is empty, so it never finds anything",
                ListDoes::Allow => "the list is empty, so it spares nothing",
            };
            let hint = "write words in it, or remove it below `lists:`";
            self.problems.warning(&at, what, hint);
        }
        read
    }

    fn filter(&self, lists: &[ListSpec], entries: Vec<Entries>) -> Option<Filter> {
        let mut places = BTreeMap::new();
        let mut specs = Vec::new();
        for (list, entries) in lists.iter().zip(entries) {
            let file = list
                .file
                .as_ref()
                .map(|file| self.files.shown(sources::inside(&file.name)));
            let name: Arc<str> = list.name.as_str().into();
            places.insert(name.clone(), (file, list.at.clone()));
            specs.push(filter::ListSpec {
                name,
                role: match list.does {
                    ListDoes::Act(_) => Role::Match,
                    ListDoes::Allow => Role::Allow,
                },
                options: list.options.clone(),
                entries: entries.entries,
            });
        }
        match Filter::compile(specs) {
            Ok(filter) => Some(filter),
            Err(errors) => {
                for error in errors {
                    let at = match places.get(&error.list) {
                        Some((Some(file), _)) if error.line > 0 => line_of(file, error.line),
                        Some((_, at)) => at.clone(),
                        None => At::file(&self.files.shown(POLICY_FILE)),
                    };
                    self.problems.error(&at, error.what, "");
                }
                None
            }
        }
    }

    /// Looks up the names of a hook, also of one that is off.
    fn resolve<'h>(
        &self,
        hook: &'h HookSpec,
        endpoints: &[Arc<Endpoint>],
        all_lists: &[ListRules],
        default_lists: &[Arc<str>],
    ) -> Resolved<'h> {
        let lists = match &hook.filters {
            _ if hook.hook.moment == Moment::After => Vec::new(),
            Some(named) => self.list_names(named, all_lists),
            None => default_lists.to_vec(),
        };
        let endpoints = self.endpoints_of(&hook.endpoints, endpoints);
        Resolved {
            hook,
            endpoints,
            lists,
        }
    }

    fn list_names(&self, named: &[Named], lists: &[ListRules]) -> Vec<Arc<str>> {
        let found = named.iter().filter_map(|named| {
            let list = lists
                .iter()
                .find(|list| list.name.eq_ignore_ascii_case(&named.name));
            if list.is_none() {
                let known = lists.iter().map(|list| &*list.name);
                unknown(self.problems, named, "list", known);
            }
            list.map(|list| list.name.clone())
        });
        let mut names: Vec<Arc<str>> = Vec::new();
        for name in found {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn endpoints_of(&self, whom: &AskWhom, all: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
        let find = |name: &str| {
            let mut all = all.iter();
            all.find(|endpoint| endpoint.name.eq_ignore_ascii_case(name))
        };
        match whom {
            AskWhom::Nobody => Vec::new(),
            AskWhom::Default => find(CALLBACK_URL).cloned().into_iter().collect(),
            AskWhom::These(named) => {
                let found = named.iter().filter_map(|named| {
                    let endpoint = find(&named.name);
                    if endpoint.is_none() {
                        let known = all.iter().map(|endpoint| &*endpoint.name);
                        unknown(self.problems, named, "endpoint", known);
                    }
                    endpoint.cloned()
                });
                found.collect()
            }
        }
    }
}

/// A hook whose names were found.
struct Resolved<'h> {
    hook: &'h HookSpec,
    endpoints: Vec<Arc<Endpoint>>,
    lists: Vec<Arc<str>>,
}

impl Resolved<'_> {
    fn rules(self, filter: &Filter) -> HookRules {
        let names: Vec<&str> = self.lists.iter().map(AsRef::as_ref).collect();
        let list_set = filter.list_set(&names);
        HookRules {
            hook: self.hook.hook,
            endpoints: self.endpoints,
            timeout: self.hook.timeout,
            caller_timeout: self.hook.caller_timeout,
            failure: self.hook.failure.clone(),
            allowed_types: self.hook.allowed_types.clone(),
            denied_types: self.hook.denied_types.clone(),
            attention_ids: self.hook.attention_ids.clone(),
            pass_fields: self.hook.pass_fields.clone(),
            lists: self.lists,
            list_set,
            cannot_replace: self.hook.cannot_replace,
        }
    }
}

fn list_rules(list: &ListSpec, read: &Entries) -> ListRules {
    let action = match list.does {
        ListDoes::Act(action) => Some(action),
        ListDoes::Allow => None,
    };
    let combined = list.options.combos.iter().flat_map(|combo| {
        let tags = std::slice::from_ref(&combo.id);
        combo.all.iter().chain(&combo.none).map(move |_| tags)
    });
    let tags = read
        .entries
        .iter()
        .map(|entry| &**entry.tags)
        .chain(combined);
    let own = (0..).zip(tags).filter_map(|(number, tags)| {
        let said = read.actions.get(&number).copied();
        let own = list.action_of(said, tags)?;
        (Some(own) != action).then_some((EntryId::new(number), own))
    });
    ListRules {
        name: list.name.as_str().into(),
        action,
        own_actions: own.collect(),
        entries: read.entries.len(),
        file: list
            .file
            .as_ref()
            .map(|file| sources::inside(&file.name).into()),
        words: list.words.len(),
        trial: list.trial_action(),
        code: list.code,
        reason: list.reason.clone(),
    }
}
