//! The vocabulary of what happened: hooks, events, messages and the texts in them.
//!
//! Owns: the words that every dialect translates into.
//! Leaves alone: how an IM server writes them (`dialect`) and what follows from them (`policy`).
//! No IO, no clock.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use strum::{EnumCount, IntoStaticStr, VariantArray};

/// Gives a closed set its members and their names: `ALL`, `name()` and `from_name()`.
///
/// The members come from the enum itself, so none can be forgotten.
macro_rules! closed_set {
    ($set:ident) => {
        impl $set {
            /// Every member, in the order of the enum.
            pub const ALL: [$set; <$set as ::strum::EnumCount>::COUNT] =
                match <$set as ::strum::VariantArray>::VARIANTS.first_chunk() {
                    Some(all) => *all,
                    None => unreachable!(),
                };

            /// The name in policies, logs, metrics and answers.
            pub fn name(self) -> &'static str {
                self.into()
            }

            pub fn from_name(name: &str) -> Option<$set> {
                Self::ALL.into_iter().find(|member| member.name() == name)
            }
        }
    };
}
pub(crate) use closed_set;

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// The server waits for our decision.
    Before,
    /// The server only wants an acknowledgement.
    After,
}

/// A named moment in an IM server's work, such as `beforeSendSingleMsg`.
///
/// Made only from a dialect's table, so a `Hook` in hand is one that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hook {
    /// The name in policies, logs and metrics.
    pub name: &'static str,
    pub moment: Moment,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How one IM server writes its calls and reads answers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, VariantArray, IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
pub enum DialectId {
    /// OpenIM v3.7 and later: the command is the last path segment.
    OpenIm,
    /// OpenIM v2.0: one URL, the command is in the body.
    #[strum(serialize = "openim-v2")]
    OpenImV2,
    /// WuKongIM v1 to v3: one URL, the event's name is in the query.
    WukongIm,
    /// chatServer: three hooks, told apart by the path alone.
    ChatServer,
    /// FUNTEK and IMKIT: one URL for each room, with a bot behind it.
    Funtek,
}

closed_set!(DialectId);

impl fmt::Display for DialectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What our answer to one call can do. Belongs to transport and hook, known at decode time,
/// so that policy never promises what the IM server cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Can {
    pub block: bool,
    /// At least one text of the event can be replaced in the answer.
    pub replace: bool,
    /// The server asks once more about the same message, in a call that can replace.
    pub replace_later: bool,
    /// The answer can post a message into the room.
    pub reply: bool,
}

impl Can {
    /// An after hook: the answer is an acknowledgement and changes nothing.
    pub const NOTHING: Can = Can {
        block: false,
        replace: false,
        replace_later: false,
        reply: false,
    };
}

/// One thing that happened, or is about to.
#[derive(Clone, Debug)]
pub struct Event {
    pub hook: Hook,
    /// The form the call came in; for gRPC the form whose fields it uses.
    pub dialect: DialectId,
    pub can: Can,
    /// Trace id of the caller; may be empty.
    pub operation_id: String,
    /// The query of the call that brought it, as it came, but for what names the event; may be
    /// empty.
    pub query: String,
    /// Equal for two calls exactly if they tell of the same thing; `None` where the server
    /// gives no such id (presence, read marks): equal content is then not a repeat.
    pub natural_id: Option<String>,
    /// What keeps its order in delivery: a conversation, a group or a user; may be empty. Before
    /// events with an ordering key are decided one after the other.
    pub ordering_key: String,
    pub message: Option<Message>,
    /// Every human text, in the order of the document.
    pub texts: Vec<Text>,
    /// The call's body as received, or its part about this event; `None` when the call came over
    /// gRPC with a message.
    pub body: Option<Bytes>,
    /// The message's payload is encrypted end to end: nobody but its receivers can read it.
    pub encrypted: bool,
    /// The user who does it, where there is neither message nor presence: a login.
    pub user_id: String,
    pub presence: Option<Presence>,
    pub room: Option<Room>,
    /// Users that it is for or about, beside sender and target: who must be pushed to because they
    /// are offline, who was invited, kicked or befriended.
    pub recipients: Option<Recipients>,
    /// Where what was said before comes true again: an equal `natural_id` is a repeat only of the
    /// latest event of this series. `None` where a natural id never comes twice.
    pub series: Option<Series>,
    /// The refusal must look like a success, or the sender's client never sees its text.
    pub shows_refusal: bool,
    /// What the caller's trace says (W3C Trace Context), for who is asked about it.
    pub traceparent: Option<String>,
}

/// A `traceparent` of W3C Trace Context, if it is one.
pub fn traceparent(text: &str) -> Option<String> {
    const LENGTHS: [usize; 4] = [2, 32, 16, 2];
    let is_hex = |part: &str| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.bytes().all(is_hex)
    };
    let parts: Vec<&str> = text.split('-').collect();
    let fits = parts.len() == LENGTHS.len()
        && parts.iter().map(|part| part.len()).eq(LENGTHS)
        && parts.iter().all(|part| is_hex(part));
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let is_one = fits && parts[0] != "ff" && !is_zero(parts[1]) && !is_zero(parts[2]);
    is_one.then(|| text.to_owned())
}

/// Events that undo each other, such as a user's coming and going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub name: String,
    /// So long after the latest one an equal one is a repeat.
    pub repeats_within: Duration,
}

/// A device of a user came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    pub user_id: String,
    /// 0 app, 1 web, 2 PC, 99 system.
    pub device_flag: u64,
    pub online: bool,
    /// Of the connection that came or went; `None` where the server does not tell.
    pub connection_id: Option<u64>,
    /// Devices of this kind that are online now.
    pub device_count: Option<u64>,
    /// All devices of the user that are online now.
    pub total_count: Option<u64>,
}

/// A room with a bot in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    pub id: String,
    /// The state that the bot is in; `None` where the call does not say.
    pub bot_state: Option<String>,
    /// The user that warnings are posted as.
    pub bot: Option<Arc<str>>,
    /// The message is a robot's own: to answer it would be a loop.
    pub by_robot: bool,
    /// Callgate is the chat server's side: it keeps the room's URL and its bot's state.
    pub kept_here: bool,
    /// Who joined or left.
    pub members: Vec<String>,
}

/// Users that an event is for or about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    pub ids: Vec<String>,
    /// There were more, but the server's own list is cut off.
    pub lost: bool,
}

impl Event {
    /// An event of which nothing more is known yet.
    pub fn new(hook: Hook, dialect: DialectId, can: Can) -> Event {
        Event {
            hook,
            dialect,
            can,
            operation_id: String::new(),
            query: String::new(),
            natural_id: None,
            ordering_key: String::new(),
            message: None,
            texts: Vec::new(),
            body: None,
            encrypted: false,
            user_id: String::new(),
            presence: None,
            room: None,
            recipients: None,
            series: None,
            shows_refusal: false,
            traceparent: None,
        }
    }

    /// Who caused it, where the call says so.
    pub fn sender(&self) -> &str {
        match (&self.message, &self.presence) {
            (Some(message), _) => &message.send_id,
            (None, Some(presence)) => &presence.user_id,
            (None, None) => &self.user_id,
        }
    }

    /// What its message is known by: the server's id, or else the client's; may be empty.
    pub fn message_id(&self) -> &str {
        let ids = self.message.as_ref();
        ids.map_or("", |message| match message.server_msg_id.as_str() {
            "" => &message.client_msg_id,
            id => id,
        })
    }

    /// In which form the body is written, and the query that came with it: `openim?key=…`.
    pub fn form(&self) -> String {
        match self.query.as_str() {
            "" => self.dialect.name().to_owned(),
            query => format!("{}?{query}", self.dialect),
        }
    }

    /// One of the users, groups and rooms that it has to do with is wanted.
    pub fn concerns(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        let recipients = self.recipients.iter().flat_map(|them| &them.ids);
        let members = self.room.iter().flat_map(|room| &room.members);
        is_wanted(self.sender())
            || is_wanted(self.target())
            || recipients.chain(members).any(|id| is_wanted(id))
    }

    /// The receiving user or, in a group, the group; else the room.
    pub fn target(&self) -> &str {
        match (&self.message, &self.room) {
            (Some(message), _) if message.recv_id.is_empty() => &message.group_id,
            (Some(message), _) => &message.recv_id,
            (None, Some(room)) => &room.id,
            (None, None) => "",
        }
    }
}

/// An instant message, with the fields of OpenIM's request.
///
/// Units: `send_time` and `create_time` are milliseconds since 1970.
/// Source: protocol of open-im-server v3, `pkg/callbackstruct/common.go`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    pub send_id: String,
    pub recv_id: String,
    pub group_id: String,
    pub server_msg_id: String,
    pub client_msg_id: String,
    pub sender_platform_id: i32,
    pub sender_nickname: String,
    pub sender_face_url: String,
    pub session_type: i32,
    pub msg_from: i32,
    pub content_type: i32,
    pub status: i32,
    pub send_time: i64,
    pub create_time: i64,
    /// In v3 a JSON document in a string, in v2 type 101 the text itself.
    pub content: String,
    pub seq: u32,
    /// `None` is JSON `null`.
    pub at_user_ids: Option<Vec<String>>,
    pub ex: String,
}

/// Who wrote a text, which decides by whose rule it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextClass {
    /// Typed by the sender of this message.
    Body,
    /// Inside a quoted or forwarded message: somebody else said it.
    Nested,
    /// Names and titles: nicknames, a group's name.
    Label,
    /// A string that only the app understands, often JSON itself.
    Opaque,
}

impl TextClass {
    pub fn name(self) -> &'static str {
        match self {
            TextClass::Body => "body",
            TextClass::Nested => "nested",
            TextClass::Label => "label",
            TextClass::Opaque => "opaque",
        }
    }
}

/// The document that a text stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// The message's `content`.
    Content,
    /// The call's body, for texts outside `content` such as `groupName`.
    Body,
}

/// One human text of an event, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub document: Document,
    /// RFC 6901 pointer into the document; empty when the document itself is the text.
    pub pointer: String,
    pub class: TextClass,
    /// The text as a person reads it, all escapes decoded.
    pub value: String,
    /// Where the string literals stand, quotes included, outermost first: byte range in the
    /// document, then byte range in the decoded value of the one before (JSON in a string).
    /// Empty when the document itself is the text.
    pub literals: Vec<Range<usize>>,
    /// Our answer can carry a new value for it.
    pub replaceable: bool,
    /// Offsets beside the text point into it, so a mask must keep its length in UTF-16 units.
    pub keep_length: bool,
    /// Byte ranges of `value` that hold ids, not words (`@userID ` tokens): never masked, and a
    /// match inside one of them is no match.
    pub protected: Vec<Range<usize>>,
}

impl Text {
    /// Where the text stands, for people: `content/text`, `groupName`.
    pub fn place(&self) -> Cow<'_, str> {
        match self.document {
            Document::Content if self.pointer.is_empty() => Cow::Borrowed("content"),
            Document::Content => Cow::Owned(format!("content{}", self.pointer)),
            Document::Body => Cow::Borrowed(self.pointer.trim_start_matches('/')),
        }
    }
}

/// A position in a text in the three units that clients count in; the end is not included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub bytes: Range<usize>,
    pub chars: Range<usize>,
    pub utf16: Range<usize>,
}
