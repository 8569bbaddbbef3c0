//! From what the files say to a snapshot: the only way to make one.

use std::collections::BTreeMap;
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::endpoint::Endpoint;
use super::lists::{self, Entries, line_of};
use super::review;
use super::snapshot::{HookRules, ListRules, Snapshot, Version};
use super::sources::{self, CALLBACK_URL, CompileContext, FileSet, POLICY_FILE};
use super::spec::{self, AskWhom, HookSpec, ListDoes, ListSpec, Named, Spec, unknown};
use super::texts::TextRules;
use crate::event::Moment;
use crate::filter::{self, Entry, EntryId, Filter, Role};
use crate::settings::{At, Problem, Problems, Section};

/// A compiled policy and everything there is to say about it.
#[derive(Debug)]
pub struct Compiled {
    /// `None` exactly if a problem is an error.
    pub snapshot: Option<Snapshot>,
    pub problems: Vec<Problem>,
}

/// Reads, checks and compiles the files of a policy. Reports every problem at once.
pub fn compile(files: &FileSet, context: &CompileContext, number: u64) -> Compiled {
    let problems = Problems::default();
    let snapshot = sources::read(files, &context.env, &problems).and_then(|settings| {
        let file = At::file(&files.shown(POLICY_FILE));
        let root = Section::root(&settings, file.clone(), &problems);
        let spec = spec::read(&root);
        root.finish();
        review::review(&spec, files, context, &file, &problems);
        let compiler = Compiler {
            files,
            problems: &problems,
        };
        let version = Version {
            number,
            hash: hash(files, context),
        };
        compiler.snapshot(spec, version)
    });
    let any_error = problems.any_error();
    Compiled {
        snapshot: snapshot.filter(|_| !any_error),
        problems: problems.into_sorted(),
    }
}

/// The first 12 hex digits of SHA-256 over names and contents of the files and the policy's
/// variables. Engine settings and cases decide nothing, so they are left out.
fn hash(files: &FileSet, context: &CompileContext) -> Arc<str> {
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

struct Compiler<'a> {
    files: &'a FileSet,
    problems: &'a Problems,
}

impl Compiler<'_> {
    fn snapshot(&self, spec: Spec, version: Version) -> Option<Snapshot> {
        let endpoints: Vec<Arc<Endpoint>> = spec
            .endpoints
            .into_iter()
            .map(|endpoint| Arc::new(endpoint.endpoint))
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
        let hooks: Vec<Resolved> = spec
            .hooks
            .into_iter()
            .map(|hook| self.resolve(hook, &endpoints, &lists, &default_lists))
            .collect();
        let filter = self.filter(spec.lists, entries)?;
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
                defer_types: spec.filters.defer_types,
            },
            failure: spec.failure,
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
            if read.entries.is_empty() && !self.problems.any_error() {
                let what = "the list is empty, so it never finds anything";
                self.problems.warning(&At::file(&file), what, "");
            }
        }
        let tags: Arc<[String]> = list.tags.as_slice().into();
        read.entries.extend(list.words.iter().map(|word| Entry {
            text: word.name.clone(),
            line: 0,
            tags: Arc::clone(&tags),
            options: None,
        }));
        read
    }

    fn filter(&self, lists: Vec<ListSpec>, entries: Vec<Entries>) -> Option<Filter> {
        let mut places = BTreeMap::new();
        let mut specs = Vec::new();
        for (list, entries) in lists.into_iter().zip(entries) {
            let file = list
                .file
                .map(|file| self.files.shown(sources::inside(&file.name)));
            let name: Arc<str> = list.name.into();
            places.insert(name.clone(), (file, list.at));
            specs.push(filter::ListSpec {
                name,
                role: match list.does {
                    ListDoes::Act(_) => Role::Match,
                    ListDoes::Allow => Role::Allow,
                },
                options: list.options,
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
    fn resolve(
        &self,
        hook: HookSpec,
        endpoints: &[Arc<Endpoint>],
        lists: &[ListRules],
        default_lists: &[Arc<str>],
    ) -> Resolved {
        let lists = match &hook.filters {
            _ if hook.hook.moment == Moment::After => Vec::new(),
            Some(named) => self.list_names(named, lists),
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
struct Resolved {
    hook: HookSpec,
    endpoints: Vec<Arc<Endpoint>>,
    lists: Vec<Arc<str>>,
}

impl Resolved {
    fn rules(self, filter: &Filter) -> HookRules {
        let names: Vec<&str> = self.lists.iter().map(AsRef::as_ref).collect();
        let list_set = filter.list_set(&names);
        HookRules {
            hook: self.hook.hook,
            endpoints: self.endpoints,
            timeout: self.hook.timeout,
            caller_timeout: self.hook.caller_timeout,
            failure: self.hook.failure,
            allowed_types: self.hook.allowed_types,
            denied_types: self.hook.denied_types,
            attention_ids: self.hook.attention_ids,
            pass_fields: self.hook.pass_fields,
            lists: self.lists,
            list_set,
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
        .map(|entry| &*entry.tags)
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
        code: list.code,
        reason: list.reason.clone(),
    }
}
