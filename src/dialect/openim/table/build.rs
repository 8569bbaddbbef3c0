//! Writing a row of the table: what a hook is, told step by step.

use crate::dialect::hooks::{
    Ability, AnswerField, BodyText, Effect, Form, HookInfo, Kind, Receiver,
};
use crate::event::{Hook, Moment, TextClass};

pub(super) const fn before(name: &'static str, command: &'static str) -> HookInfo {
    hook(name, command, Moment::Before, Ability::Block)
}

pub(super) const fn after(name: &'static str, command: &'static str) -> HookInfo {
    hook(name, command, Moment::After, Ability::Acknowledge)
}

pub(super) const fn hook(
    name: &'static str,
    command: &'static str,
    moment: Moment,
    can: Ability,
) -> HookInfo {
    HookInfo {
        hook: Hook { name, moment },
        command,
        area: "",
        can,
        form: Form::Plain,
        texts: &[],
        answer: &[],
        ordering_key: "",
        natural_id: &[],
    }
}

impl HookInfo {
    pub(super) const fn area(mut self, area: &'static str) -> Self {
        self.area = area;
        self
    }

    pub(super) const fn ordering_key(mut self, field: &'static str) -> Self {
        self.ordering_key = field;
        self
    }

    pub(super) const fn natural_id(mut self, fields: &'static [&'static str]) -> Self {
        self.natural_id = fields;
        self
    }

    pub(super) const fn group(self) -> Self {
        self.area("group").ordering_key("groupID")
    }

    pub(super) const fn message(mut self, receiver: Receiver) -> Self {
        self.form = Form::Message(receiver);
        self.texts(SENDER).area("message")
    }

    pub(super) const fn push(mut self, user_ids: bool, seq: bool) -> Self {
        self.form = Form::Push { user_ids, seq };
        self.area("push")
    }

    pub(super) const fn texts(mut self, texts: &'static [BodyText]) -> Self {
        self.texts = texts;
        self
    }

    pub(super) const fn answers(mut self, fields: &'static [AnswerField]) -> Self {
        self.answer = fields;
        self
    }

    pub(super) const fn replaces(mut self, fields: &'static [AnswerField]) -> Self {
        self.can = Ability::Replace;
        self.answers(fields)
    }

    pub(super) const fn echoes(mut self, fields: &'static [AnswerField]) -> Self {
        self.can = Ability::ReplaceAndEcho;
        self.answers(fields)
    }
}

pub(super) const fn label(name: &'static str) -> BodyText {
    BodyText {
        list: None,
        name,
        class: TextClass::Label,
    }
}

pub(super) const fn body(name: &'static str) -> BodyText {
    BodyText {
        list: None,
        name,
        class: TextClass::Body,
    }
}

pub(super) const fn field(name: &'static str, kind: Kind, effect: Effect) -> AnswerField {
    AnswerField { name, kind, effect }
}

pub(super) const fn replaces(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::Replaces)
}

pub(super) const fn unless_empty(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::ReplacesUnlessEmpty)
}

pub(super) const fn if_asked(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::ReplacesIfAsked)
}

pub(super) const fn sets(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::Sets)
}

pub(super) const fn ignored(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::Ignored)
}

pub(super) const fn overwrites(
    name: &'static str,
    kind: Kind,
    absent: &'static str,
) -> AnswerField {
    field(name, kind, Effect::Overwrites { absent })
}

pub(super) const fn echoed(name: &'static str, kind: Kind, absent: &'static str) -> AnswerField {
    field(name, kind, Effect::Echoed { absent })
}

/// What every message carries beside its content.
pub(super) const SENDER: &[BodyText] = &[label("senderNickname")];
pub(super) const PUSH_TEXTS: [BodyText; 2] = [label("title"), body("desc")];
pub(super) const NICK_NAME: [BodyText; 1] = [label("nickName")];
pub(super) const USERS_TEXTS: [BodyText; 1] = [BodyText {
    list: Some("users"),
    name: "nickname",
    class: TextClass::Label,
}];
pub(super) const GROUP_TEXTS: [BodyText; 3] = [
    label("groupName"),
    body("notification"),
    body("introduction"),
];
