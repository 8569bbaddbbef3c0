//! One entry of `lists:`.

use std::collections::BTreeMap;

use super::parts::{Named, code, names};
use crate::decision::ListAction;
use crate::filter::{Choice, Combo, Mask, OPTIONS, Options, SkipClasses, Slot};
use crate::settings::{At, Field, Section};

/// The longest text that stands in the place of a match.
const MASK_BYTES_MAX: usize = 1_024;

/// The tag of entries that are tried out, known to every list.
pub const TRIAL: &str = "trial";

/// Limits of word lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListLimits {
    pub entries_max: usize,
    pub list_bytes_max: u64,
    pub entry_chars_max: usize,
}

#[derive(Debug)]
pub(crate) struct ListSpec {
    pub name: String,
    pub does: ListDoes,
    pub code: i32,
    pub reason: String,
    pub tags: Vec<String>,
    /// What entries with a tag lead to instead of what the list does.
    pub tag_actions: Vec<TagAction>,
    pub file: Option<Named>,
    /// Words that stand in the policy itself, with their places.
    pub words: Vec<Named>,
    pub options: Options,
    pub at: At,
}

/// What entries with a tag lead to.
#[derive(Debug)]
pub(crate) struct TagAction {
    pub tag: String,
    pub action: ListAction,
    pub at: At,
}

/// What a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListDoes {
    Act(ListAction),
    /// Its phrases spare what other lists find inside of them.
    Allow,
}

pub(super) fn read(name: String, field: &Field<'_>) -> ListSpec {
    let section = field.section();
    let file = section.field("file");
    let words = section.field("words");
    if !file.is_set() && !words.is_set() {
        field.error(
            "the list has no words",
            "write `file: lists/….txt` or `words: [..]`",
        );
    }
    let spec = ListSpec {
        name,
        does: read_does(&section.field("action")),
        code: code(&section.field("code")),
        reason: section.field("reason").text(),
        tags: read_tags(&section.field("tags")),
        tag_actions: read_tag_actions(&section.field("tag_actions")),
        file: file.is_set().then(|| Named {
            name: file.text(),
            at: file.at().clone(),
        }),
        words: names(&words),
        options: read_options(&section.field("options").section(), Options::default()),
        at: field.at().clone(),
    };
    section.finish();
    spec
}

fn read_does(field: &Field<'_>) -> ListDoes {
    let acts = ListAction::ALL.map(|action| (action.name(), ListDoes::Act(action)));
    let choices: Vec<_> = acts
        .into_iter()
        .chain([("allow", ListDoes::Allow)])
        .collect();
    field
        .one_of(&choices)
        .unwrap_or(ListDoes::Act(ListAction::Block))
}

impl ListSpec {
    /// What an entry leads to: on trial whatever else it says, by its own word, by those of its tags
    /// that say most, or as the list says; `None` in a list that only spares.
    pub(crate) fn action_of(&self, own: Option<ListAction>, tags: &[String]) -> Option<ListAction> {
        let ListDoes::Act(action) = self.does else {
            return None;
        };
        let tagged = self
            .tag_actions
            .iter()
            .filter(|one| tags.contains(&one.tag));
        let on_trial = tags.iter().any(|tag| tag == TRIAL);
        if on_trial && self.trial_action() == ListAction::Shadow {
            return Some(ListAction::Shadow);
        }
        Some(own.or(tagged.map(|one| one.action).min()).unwrap_or(action))
    }

    /// What entries on trial lead to.
    pub(crate) fn trial_action(&self) -> ListAction {
        let mut tagged = self.tag_actions.iter();
        let written = tagged.find(|one| one.tag == TRIAL);
        written.map_or(ListAction::Shadow, |one| one.action)
    }
}

/// What an entry of a list says for itself, as a map in the last column of its line.
#[derive(Clone, Debug)]
pub(crate) struct OwnSettings {
    /// `None` when it only has an action.
    pub options: Option<Options>,
    pub action: Option<ListAction>,
}

/// Reads what an entry says for itself; `list` are the options that it differs from.
pub(crate) fn read_own(section: &Section<'_>, list: &Options) -> OwnSettings {
    let action = section.field("action");
    let action = action.is_set().then(|| action.choice()).flatten();
    let options = read_options(section, list.clone());
    OwnSettings {
        options: (options != *list).then_some(options),
        action,
    }
}

fn read_tags(field: &Field<'_>) -> Vec<String> {
    let items = field.items();
    for item in &items {
        if item.text.is_empty() || item.text.contains([',', '\t']) {
            let what = format!("`{}` cannot be a tag", item.text);
            item.error(
                what,
                "write one word or several, without commas: [spam, ads]",
            );
        }
    }
    items.into_iter().map(|item| item.text).collect()
}

fn read_tag_actions(field: &Field<'_>) -> Vec<TagAction> {
    let fields = field.section().fields().into_iter();
    let read = fields.map(|(tag, field)| {
        Some(TagAction {
            tag,
            action: field.choice()?,
            at: field.at().clone(),
        })
    });
    read.flatten().collect()
}

fn texts(field: &Field<'_>) -> Vec<String> {
    let items = field.items().into_iter();
    items.map(|item| item.text).collect()
}

/// Absent options stay as they are in `options`.
fn read_options(section: &Section<'_>, mut options: Options) -> Options {
    for def in &OPTIONS {
        let field = section.field(def.name);
        if field.is_set() {
            read_option(&field, def.slot(&mut options));
        }
    }
    section.finish();
    options
}

fn read_option(field: &Field<'_>, slot: Slot<'_>) {
    match slot {
        Slot::Switch(on) => *on = field.flag(),
        Slot::Number(number) => *number = small(field, 1_000),
        Slot::Choice(choice) => {
            let names = choice.names().into_iter();
            let names: Vec<(&str, &str)> = names.map(|name| (name, name)).collect();
            if let Some(name) = field.one_of(&names) {
                choice.choose(name);
            }
        }
        Slot::Classes(classes) => *classes = read_skip(field),
        Slot::Aliases(aliases) => *aliases = read_aliases(field),
        Slot::Combos(combos) => *combos = read_combos(field),
        Slot::Mask(mask) => *mask = read_mask(&field.section(), mask.clone()),
    }
}

/// A choice that a mask makes.
fn choose<T: Choice>(field: &Field<'_>, value: &mut T) {
    if field.is_set()
        && let Some(chosen) = field.one_of(T::NAMED)
    {
        *value = chosen;
    }
}

fn small(field: &Field<'_>, max: u32) -> u32 {
    u32::try_from(field.number(0, i64::from(max))).unwrap_or(max)
}

fn read_skip(field: &Field<'_>) -> SkipClasses {
    let items = field.items();
    let classes = items
        .iter()
        .filter_map(|item| item.one_of(SkipClasses::NAMED));
    classes.fold(SkipClasses::NONE, SkipClasses::with)
}

fn read_aliases(field: &Field<'_>) -> BTreeMap<String, String> {
    let fields = field.section().fields();
    fields
        .into_iter()
        .map(|(written, meant)| (written, meant.text()))
        .collect()
}

fn read_combos(field: &Field<'_>) -> Vec<Combo> {
    let read = |(id, field): (String, Field<'_>)| {
        let section = field.section();
        let window = section.field("window");
        let combo = Combo {
            id,
            all: texts(&section.field("all")),
            // Nothing fits into 0 characters: the combination would never match.
            window: window.is_set().then(|| window.number(1, 1_000_000) as u32),
            none: texts(&section.field("none")),
        };
        section.finish();
        combo
    };
    field.section().fields().into_iter().map(read).collect()
}

fn read_mask(section: &Section<'_>, mut mask: Mask) -> Mask {
    choose(&section.field("by"), &mut mask.by);
    let sign = section.field("char");
    if sign.is_set() {
        let text = sign.text();
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) if !one.is_control() => mask.char = one,
            _ => sign.error("a mask is one character", "write one, such as \"*\""),
        }
    }
    let text = section.field("text");
    if text.is_set() {
        mask.text = text.text();
        let length = mask.text.len();
        if length > MASK_BYTES_MAX {
            let what = format!("a mask of {length} bytes; {MASK_BYTES_MAX} are the most");
            text.error(
                what,
                "it stands in the place of every match: write a few words",
            );
        }
    }
    for (name, number) in [
        ("n", &mut mask.n),
        ("keep_first", &mut mask.keep_first),
        ("keep_last", &mut mask.keep_last),
    ] {
        let field = section.field(name);
        if field.is_set() {
            *number = small(&field, 100);
        }
    }
    section.finish();
    mask
}

#[cfg(test)]
mod tests {
    use super::super::super::sources::DEFAULTS;
    use super::*;
    use crate::settings::{Problems, Value, parse};

    /// The options as the comment in the defaults has them: `#   name: value  explanation`.
    fn documented() -> String {
        let lines = DEFAULTS
            .lines()
            .filter_map(|line| line.strip_prefix("  #   "));
        let options = lines.filter(|line| line.starts_with(char::is_lowercase));
        let values = options.map(|line| line.split("  ").next().unwrap_or(line));
        values.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_documented_defaults_are_the_ones_in_force() {
        let problems = Problems::default();
        let file = "defaults".into();
        let text = documented();
        let Ok(Some(node)) = parse(&file, text.as_bytes(), &problems) else {
            panic!("{text}: {:?}", problems.into_sorted());
        };
        let Value::Map(map) = &node.value else {
            panic!("{text}");
        };
        assert_eq!(
            map.len(),
            OPTIONS.len(),
            "an option is not documented: {text}"
        );
        let section = Section::root(map, At::file(&file), &problems);
        assert_eq!(
            read_options(&section, Options::default()),
            Options::default()
        );
        assert_eq!(problems.into_sorted(), []);
    }

    /// The comment says of each option what the table of options says.
    #[test]
    fn the_comment_says_what_each_option_does() {
        let comment = DEFAULTS
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix('#'));
        let comment: Vec<&str> = comment.flat_map(str::split_whitespace).collect();
        let comment = comment.join(" ");
        for def in &OPTIONS {
            assert!(comment.contains(def.doc), "{}: {}", def.name, def.doc);
        }
    }
}
