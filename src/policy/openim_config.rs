//! OpenIM's own callback settings, turned into `hooks:` of ours.
//!
//! Shape: v3.7 and later, `webhooks.yml`: `url` and one map per hook (`enable`, `timeout`,
//! `failedContinue`, `deniedTypes`, `allowedTypes`, `attentionIds`). v3.0 to v3.6: the same below
//! `callback:`, some hooks under older names. v2: `callbackUrl` and
//! `callbackBeforeSendSingleMsg: {enable, callbackTimeOut, callbackFailedContinue}`, at top level
//! or below `callback:`.
//! Units: timeouts are in seconds; 0 or less is OpenIM's own limit of 15 s.
//! Values are typed as loosely as OpenIM types them: `enable: "true"`, `timeout: "5"`, one value
//! where a list is expected, commas inside a text, null for the zero value.
//! Source: open-im-server `config/webhooks.yml`, `pkg/common/config`; v2.0 `config/config.yaml`.

use super::type_set::TypeSet;
use crate::dialect;
use crate::event::Moment;
use crate::settings::{At, Entry, Map, Node, Place, Problems, Value, suggest};

/// Where a piece of OpenIM's settings stands, which decides what an absent value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In a file of OpenIM: absent and null are false, unknown keys are its business.
    Included,
    /// In policy.yaml itself: absent values have our defaults, unknown keys are errors.
    Ours,
}

/// Hooks by the lower-case form of their name today, as a layer's `hooks:` holds them.
#[derive(Debug, Default)]
pub struct Converted {
    pub hooks: Map,
    /// `callbackUrl`, or the `url` of a whole file.
    pub url: Option<Entry>,
    /// A hook was written in v2's spelling, so the business server expects v2's calls.
    pub is_v2: bool,
}

/// Names of v3.0 to v3.6 and, after their `callback`, of v2.
const OLD_NAMES: [(&str, &str); 29] = [
    ("msgModify", "beforeMsgModify"),
    ("wordFilter", "beforeMsgModify"),
    ("userOnline", "afterUserOnline"),
    ("userOffline", "afterUserOffline"),
    ("userKickOff", "afterUserKickOff"),
    ("offlinePush", "beforeOfflinePush"),
    ("onlinePush", "beforeOnlinePush"),
    ("superGroupOnlinePush", "beforeGroupOnlinePush"),
    ("updateUserInfo", "afterUpdateUserInfo"),
    ("quitGroup", "afterQuitGroup"),
    ("killGroupMember", "afterKickGroupMember"),
    ("dismissGroup", "afterDismissGroup"),
    ("joinGroup", "beforeApplyJoinGroup"),
    ("joinGroupAfter", "afterJoinGroup"),
    ("groupMsgRead", "afterGroupMsgRead"),
    ("singleMsgRead", "afterSingleMsgRead"),
    ("transferGroupOwner", "afterTransferGroupOwner"),
    ("setGroupInfoBefore", "beforeSetGroupInfo"),
    ("setGroupInfoAfter", "afterSetGroupInfo"),
    ("revokeMsgAfter", "afterRevokeMsg"),
    ("addBlackBefore", "beforeAddBlack"),
    ("removeBlackAfter", "afterRemoveBlack"),
    ("addFriendAfter", "afterAddFriend"),
    ("addFriendAgreeBefore", "beforeAddFriendAgree"),
    ("addFriendAgreeAfter", "afterAddFriendAgree"),
    ("deleteFriendAfter", "afterDeleteFriend"),
    ("importFriendsBefore", "beforeImportFriends"),
    ("importFriendsAfter", "afterImportFriends"),
    ("setFriendRemarkAfter", "afterSetFriendRemark"),
];

/// The one old hook without a successor.
const GONE: [&str; 1] = ["setMessageReactionExtensions"];

/// What OpenIM waits for a hook whose timeout is 0 or less, and at most for any.
const TIMEOUT_MAX_S: i64 = 15;

/// Converts a whole file of OpenIM.
pub fn convert_file(root: &Map, file: &At, problems: &Problems) -> Converted {
    let converter = Converter {
        source: Source::Included,
        problems,
    };
    let mut converted = Converted::default();
    match root.get("callback").map(|entry| &entry.node.value) {
        // The rest of a whole config.yaml is none of ours.
        Some(Value::Map(section)) => converter.section(section, "callback.", &mut converted),
        _ => converter.section(root, "", &mut converted),
    }
    if converted.hooks.is_empty() {
        problems.warning(file, "no hook of OpenIM is in this file", "");
    }
    converted
}

/// Takes what is written in OpenIM's v2 spelling out of a layer of policy.yaml.
pub(super) fn take_v2(root: &mut Map, problems: &Problems) -> Converted {
    let mut taken = Map::new();
    root.retain(|key, entry| {
        let is_v2 = key.starts_with("callback") && key != "callback";
        if is_v2 {
            taken.insert(key.clone(), entry.clone());
        }
        !is_v2
    });
    let converter = Converter {
        source: Source::Ours,
        problems,
    };
    let mut converted = Converted::default();
    converter.section(&taken, "", &mut converted);
    if let Some(Value::Map(section)) = root.get("callback").map(|entry| &entry.node.value) {
        converter.section(section, "callback.", &mut converted);
        root.remove("callback");
    }
    converted
}

struct Converter<'a> {
    source: Source,
    problems: &'a Problems,
}

impl Converter<'_> {
    fn section(&self, section: &Map, path: &str, converted: &mut Converted) {
        let mut entries: Vec<(&String, &Entry)> = section.iter().collect();
        // v3.6 ships some hooks under two names; the one of today counts.
        entries.sort_by_key(|(key, _)| dialect::hook(key).is_none());
        for (key, entry) in entries {
            let at = At {
                place: entry.key_place.clone(),
                path: format!("{path}{}", entry.key),
            };
            if key == "url" || key == "callbackurl" {
                converted.url = Some(entry.clone());
            } else {
                converted.is_v2 |= key.starts_with("callback");
                self.hook(key, entry, &at, &mut converted.hooks);
            }
        }
    }

    fn hook(&self, key: &str, entry: &Entry, at: &At, hooks: &mut Map) {
        let Some(name) = name_today(key) else {
            if !GONE.iter().any(|gone| gone.eq_ignore_ascii_case(key)) {
                self.unknown_hook(entry, at);
            }
            return;
        };
        let fields = match &entry.node.value {
            Value::Map(fields) => self.fields(name, fields, at),
            Value::Null => self.fields(name, &Map::new(), at),
            Value::Scalar(_) | Value::List(_) => {
                self.problems.error(at, "this must be a map of keys", "");
                return;
            }
        };
        if let Some(first) = hooks.get(&name.to_lowercase()) {
            if !says_the_same(&first.node, &fields) {
                let line = first.key_place.line;
                let what =
                    format!("line {line} has the same hook as `{name}`, and that line counts");
                self.problems.warning(at, what, "remove one of the two");
            }
            return;
        }
        let entry = Entry {
            key: name.to_owned(),
            key_place: entry.key_place.clone(),
            node: Node::map(&entry.key_place, fields),
        };
        hooks.insert(name.to_lowercase(), entry);
    }

    fn unknown_hook(&self, entry: &Entry, at: &At) {
        let near = dialect::near_names(&entry.key);
        let hint = match near.first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => String::new(),
        };
        match (&self.source, &entry.node.value) {
            (Source::Ours, _) => {
                let what = format!("there is no setting and no hook `{}`", entry.key);
                self.problems.error(at, what, hint);
            }
            (Source::Included, _) => {
                let what = format!("no hook named `{}`, so it is never called", entry.key);
                self.problems.warning(at, what, hint);
            }
        }
    }

    /// The fields of one hook, strictly typed and under the names of today.
    fn fields(&self, name: &str, written: &Map, hook: &At) -> Map {
        let is_before = dialect::hook(name).is_some_and(|hook| hook.moment == Moment::Before);
        let mut fields = Fields {
            converter: self,
            hook,
            out: Map::new(),
        };
        if self.source == Source::Included {
            fields.put("enable", &hook.place, "false");
            fields.put("failedContinue", &hook.place, "false");
            fields.time(&hook.place, 0);
        }
        for (key, entry) in written {
            let at = At {
                place: match entry.node.value {
                    Value::Scalar(_) => entry.node.place.clone(),
                    _ => entry.key_place.clone(),
                },
                path: format!("{}.{}", hook.path, entry.key),
            };
            match key.as_str() {
                "enable" => fields.flag("enable", entry, &at),
                "timeout" | "callbacktimeout" => fields.timeout(entry, &at),
                // OpenIM's files have it on after hooks too, where nothing reads it.
                "failedcontinue" | "callbackfailedcontinue" if !is_before => {}
                "failedcontinue" | "callbackfailedcontinue" => {
                    fields.flag("failedContinue", entry, &at);
                }
                "deniedtypes" => fields.types("deniedTypes", entry, &at),
                "allowedtypes" => fields.types("allowedTypes", entry, &at),
                "attentionids" => fields.list("attentionIds", &at, words(&entry.node)),
                _ => self.unknown_field(entry, &at),
            }
        }
        fields.out
    }

    fn unknown_field(&self, entry: &Entry, at: &At) {
        const KNOWN: [&str; 6] = [
            "enable",
            "timeout",
            "failedContinue",
            "deniedTypes",
            "allowedTypes",
            "attentionIds",
        ];
        let what = format!("OpenIM has no setting `{}` for a hook", entry.key);
        let hint = suggest(&entry.key, KNOWN);
        match self.source {
            Source::Included => self.problems.warning(at, what, hint),
            Source::Ours => self.problems.error(at, what, hint),
        }
    }
}

struct Fields<'a> {
    converter: &'a Converter<'a>,
    hook: &'a At,
    out: Map,
}

impl Fields<'_> {
    fn put(&mut self, name: &str, place: &Place, text: &str) {
        let entry = Entry {
            key: name.to_owned(),
            key_place: place.clone(),
            node: Node::scalar(place, text),
        };
        self.out.insert(name.to_lowercase(), entry);
    }

    fn flag(&mut self, name: &str, entry: &Entry, at: &At) {
        let flag = match &entry.node.value {
            Value::Null => Some(false),
            Value::Scalar(text) => weak_flag(text),
            Value::List(_) | Value::Map(_) => None,
        };
        match (flag, self.converter.source) {
            // In our own file a key without a value says nothing.
            (_, Source::Ours) if entry.node.value == Value::Null => {}
            (Some(flag), _) => self.put(name, &at.place, if flag { "true" } else { "false" }),
            (None, _) => self.unreadable(at, "write true or false"),
        }
    }

    fn timeout(&mut self, entry: &Entry, at: &At) {
        let seconds = match &entry.node.value {
            Value::Null if self.converter.source == Source::Ours => return,
            Value::Null => Some(0),
            Value::Scalar(text) => weak_number(text),
            Value::List(_) | Value::Map(_) => None,
        };
        let Some(seconds) = seconds else {
            return self.unreadable(at, "write seconds as a whole number");
        };
        if !(1..=TIMEOUT_MAX_S).contains(&seconds) {
            self.converter.problems.warning(
                at,
                format!("a timeout of {seconds} is {TIMEOUT_MAX_S} s for OpenIM"),
                format!("write 1 to {TIMEOUT_MAX_S}"),
            );
        }
        self.time(&at.place, seconds);
    }

    fn time(&mut self, place: &Place, seconds: i64) {
        let seconds = match seconds {
            1..=TIMEOUT_MAX_S => seconds,
            _ => TIMEOUT_MAX_S,
        };
        let seconds = format!("{seconds}s");
        self.put("timeout", place, &seconds);
        if self.converter.source == Source::Included {
            self.put("caller_timeout", place, &seconds);
        }
    }

    fn types(&mut self, name: &str, entry: &Entry, at: &At) {
        let (good, bad): (Vec<_>, Vec<_>) = words(&entry.node)
            .into_iter()
            .partition(|(text, _)| TypeSet::range_of(text).is_some());
        for (text, place) in bad {
            let at = At {
                place,
                path: at.path.clone(),
            };
            let what = format!("OpenIM skips `{text}`, which is not a message type");
            let hint = "write a number such as 101 or a range such as 200-500";
            self.converter.problems.warning(&at, what, hint);
        }
        self.list(name, at, good);
    }

    fn list(&mut self, name: &str, at: &At, items: Vec<(String, Place)>) {
        let items = items.into_iter();
        let node = Node {
            place: at.place.clone(),
            value: Value::List(
                items
                    .map(|(text, place)| Node::scalar(&place, text))
                    .collect(),
            ),
        };
        let entry = Entry {
            key: name.to_owned(),
            key_place: at.place.clone(),
            node,
        };
        self.out.insert(name.to_lowercase(), entry);
    }

    fn unreadable(&self, at: &At, hint: &str) {
        let what = format!(
            "OpenIM itself does not start with this value of {}",
            self.hook.path
        );
        self.converter.problems.error(at, what, hint);
    }
}

/// Whether the texts of two hooks' fields are equal, wherever they stand.
fn says_the_same(first: &Node, fields: &Map) -> bool {
    let Value::Map(first) = &first.value else {
        return false;
    };
    let texts = |map: &Map| -> Vec<(String, Vec<String>)> {
        let fields = map.iter();
        fields
            .map(|(key, entry)| {
                let items = words(&entry.node).into_iter();
                (key.clone(), items.map(|(text, _)| text).collect())
            })
            .collect()
    };
    texts(first) == texts(fields)
}

fn name_today(key: &str) -> Option<&'static str> {
    let old = key.strip_prefix("callback").unwrap_or(key);
    let renamed = OLD_NAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(old));
    let name = renamed.map_or(old, |(_, today)| today);
    dialect::hook(name).map(|hook| hook.name)
}

/// Go's `strconv.ParseBool`, and what mapstructure adds to it: numbers and the empty text.
fn weak_flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => weak_number(text).map(|number| number != 0),
    }
}

/// A whole number, or a decimal that is cut to one.
fn weak_number(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let whole = text.parse::<i64>().ok();
    whole.or_else(|| {
        let decimal = text.parse::<f64>().ok()?;
        (decimal.abs() < 1e9).then_some(decimal as i64)
    })
}

/// The items of a list; a single text is split at its commas.
fn words(node: &Node) -> Vec<(String, Place)> {
    match &node.value {
        Value::Null | Value::Map(_) => Vec::new(),
        Value::List(items) => {
            let items = items.iter().filter_map(|item| match &item.value {
                Value::Scalar(text) => Some((text.trim().to_owned(), item.place.clone())),
                Value::Null | Value::List(_) | Value::Map(_) => None,
            });
            items.collect()
        }
        Value::Scalar(text) => text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| (part.to_owned(), node.place.clone()))
            .collect(),
    }
}
