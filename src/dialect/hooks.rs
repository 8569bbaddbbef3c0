//! What a dialect's table says of a hook.

use crate::event::{Hook, Moment, TextClass};

/// One hook of a dialect.
///
/// Source: for OpenIM open-im-server, `config/webhooks.yml` (names) and `pkg/callbackstruct` (the
/// rest); other dialects name theirs in their own files.
#[derive(Clone, Copy, Debug)]
pub struct HookInfo {
    pub hook: Hook,
    /// The command on the wire; empty where no version of the server sends one.
    pub command: &'static str,
    /// `message`, `push`, `presence`, `user`, `group`, `relation` or `conversation`.
    pub area: &'static str,
    pub can: Ability,
    pub form: Form,
    /// Texts that people write, outside of the message's `content`.
    pub texts: &'static [BodyText],
    /// The answer's fields beside the five codes, in their order.
    pub answer: &'static [AnswerField],
    /// The body's field whose value keeps its order in delivery; messages have their conversation.
    pub ordering_key: &'static str,
    /// The body's fields that together are an id of the event; messages have their own.
    pub natural_id: &'static [&'static str],
}

impl HookInfo {
    /// The event carries a message.
    pub fn has_message(&self) -> bool {
        !matches!(self.form, Form::Plain | Form::Native { message: false })
    }

    /// Over gRPC the event is given as a message, and not as the body of a call.
    pub fn takes_message(&self) -> bool {
        matches!(self.form, Form::Message(_) | Form::Push { .. })
    }

    pub fn can_block(&self) -> bool {
        self.hook.moment == Moment::Before && self.can != Ability::Reply
    }

    pub fn can_replace(&self) -> bool {
        matches!(self.can, Ability::Replace | Ability::ReplaceAndEcho)
    }

    /// The texts that our answer cannot carry anew, by the names of their fields; `content` is
    /// the message's. None are known of a native hook that can replace.
    pub fn fixed_texts(&self) -> Vec<String> {
        let carries = |name: &str| {
            let field = self.answer_field(name);
            self.can_replace() && field.is_some_and(|field| field.effect.acts())
        };
        let fixed = self.texts.iter().filter(|text| {
            // Push information is replaced as a whole.
            let push_info = matches!(text.name, "title" | "desc");
            !(carries(text.list.unwrap_or(text.name)) || push_info && carries("offlinePushInfo"))
        });
        let name = |text: &BodyText| match text.list {
            None => text.name.to_owned(),
            Some(list) => format!("{list}[].{}", text.name),
        };
        let is_native = matches!(self.form, Form::Native { .. });
        let content = match is_native {
            true => !self.can_replace(),
            false => !carries("content"),
        };
        let content = self.has_message() && content;
        let content = content.then(|| "content".to_owned());
        fixed.map(name).chain(content).collect()
    }

    /// Another call about the same message follows, which can replace.
    pub fn asks_again(&self) -> bool {
        self.hook.moment == Moment::Before
            && matches!(self.form, Form::Message(Receiver::User | Receiver::Group))
            && !self.can_replace()
    }

    /// The answer can post a message into the room.
    pub fn can_reply(&self) -> bool {
        self.can == Ability::Reply
    }

    /// The answer can carry a new `content`.
    pub fn can_replace_content(&self) -> bool {
        self.answer_field("content").is_some()
    }

    /// A value of this field can be one that is held back unless a policy names the field: it
    /// changes who gets a message, wipes data, or breaks the server.
    pub fn holds_back(&self, name: &str) -> bool {
        let mut fields = self.answer.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
        let harms = |field: &AnswerField| {
            matches!(
                field.effect,
                Effect::Overwrites { .. } | Effect::ReplacesIfAsked
            ) || matches!(field.kind, Kind::Users | Kind::Members)
        };
        redirects(name) || field.is_some_and(harms)
    }

    /// The answer's field changes who gets a message or owns a group, so that only a policy that
    /// says so lets a business server set it. Of a hook for unknown commands nothing is known.
    pub fn redirects(&self, field: &str) -> bool {
        !self.is_for_others() && redirects(field)
    }

    /// It stands for every command that has no hook of its own.
    pub fn is_for_others(&self) -> bool {
        self.area == "other"
    }

    /// A server may wait for the answer.
    pub fn may_ask(&self) -> bool {
        // OpenIM's unknown commands are of both moments.
        self.hook.moment == Moment::Before || self.hook.name == "*"
    }

    pub fn answer_field(&self, name: &str) -> Option<&'static AnswerField> {
        self.answer.iter().find(|field| field.name == name)
    }
}

/// What the server does with our answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// It reads the answer and throws it away.
    Acknowledge,
    /// Allow or block.
    Block,
    /// The message is in the room already: answer it there.
    Reply,
    /// Allow, block, or go on with other values.
    Replace,
    /// As `Replace`, and an allow must repeat the request's values: absent ones are wiped.
    ReplaceAndEcho,
}

impl Ability {
    pub fn name(self) -> &'static str {
        match self {
            Ability::Acknowledge => "acknowledge",
            Ability::Block => "allow/block",
            Ability::Reply => "reply in the room",
            Ability::Replace => "allow/block/replace",
            Ability::ReplaceAndEcho => "allow/block/replace, must echo",
        }
    }
}

/// Which request a hook sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The 18 common fields of a message, then the receiver.
    Message(Receiver),
    /// A message about to be pushed, with the fewer fields that the push service has.
    Push { user_ids: bool, seq: bool },
    /// Fields of its own.
    Plain,
    /// The body of another server than OpenIM, in which a message may stand.
    Native { message: bool },
}

/// Which ids of the receiver follow the common fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Nobody,
    User,
    Group,
    UserAndGroup,
}

/// A text that people write, by where it stands in the body.
#[derive(Clone, Copy, Debug)]
pub struct BodyText {
    /// The array that it stands in, if any.
    pub list: Option<&'static str>,
    pub name: &'static str,
    pub class: TextClass,
}

/// A field of an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerField {
    pub name: &'static str,
    pub kind: Kind,
    pub effect: Effect,
}

/// The type that OpenIM decodes a field into. `null` fits every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int32,
    Bool,
    Texts,
    /// An object of booleans.
    Flags,
    /// Bytes in base64.
    Bytes,
    PushInfo,
    /// An array of users.
    Users,
    /// An array of group members, each of which must have its `userID`.
    Members,
}

/// What OpenIM does with a field of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads it and does nothing.
    Ignored,
    /// Takes any value that is not `null`.
    Replaces,
    /// Takes any value that is not empty.
    ReplacesUnlessEmpty,
    /// Takes any value that is not `null`, and panics where the request has none.
    ReplacesIfAsked,
    /// As `Replaces`, but the request's value may stand for one that is not set: an answer that
    /// repeats it sets it.
    Sets,
    /// Always takes it: an answer without it wipes it to `absent`.
    Overwrites { absent: &'static str },
    /// As `Ignored`, but its struct is one that is echoed.
    Echoed { absent: &'static str },
}

impl Effect {
    /// A new value in the answer has an effect.
    pub fn acts(self) -> bool {
        !matches!(self, Effect::Ignored | Effect::Echoed { .. })
    }
}

fn redirects(field: &str) -> bool {
    matches!(
        field,
        "recvID" | "groupID" | "userIDList" | "sessionType" | "ownerUserID" | "creatorUserID"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_redirect_are_known() {
        assert!(redirects("recvID"));
        assert!(!redirects("content"));
    }
}
