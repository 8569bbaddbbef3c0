//! The table of OpenIM's hooks: names, commands, texts and what answers can do.
//!
//! Source: open-im-server main, `pkg/callbackstruct`; names of older versions from v2.0.2 on.

use crate::dialect::hooks::{
    Ability, AnswerField, BodyText, Effect, Form, HookInfo, Kind, Receiver,
};
use crate::event::{Hook, Moment, TextClass};

use Kind::{Bool, Bytes, Flags, Int32, Members, PushInfo, Text, Texts, Users};

/// Every key of `webhooks.yml`, those that are asked most first.
pub static HOOKS: [HookInfo; 53] = [
    // Messages.
    before("beforeSendSingleMsg", "callbackBeforeSendSingleMsgCommand").message(Receiver::User),
    before("beforeSendGroupMsg", "callbackBeforeSendGroupMsgCommand").message(Receiver::Group),
    before("beforeMsgModify", "callbackBeforeMsgModifyCommand")
        .message(Receiver::Nobody)
        .replaces(&MSG_MODIFY),
    after("afterSendSingleMsg", "callbackAfterSendSingleMsgCommand").message(Receiver::User),
    after("afterSendGroupMsg", "callbackAfterSendGroupMsgCommand").message(Receiver::Group),
    after("afterMsgSaveDB", "callbackAfterMsgSaveDBCommand").message(Receiver::UserAndGroup),
    after("afterSingleMsgRead", "callbackAfterSingleMsgReadCommand")
        .area("message")
        .ordering_key("conversationID"),
    after("afterGroupMsgRead", "callbackAfterGroupMsgReadCommand")
        .area("message")
        .ordering_key("sendID"),
    // An after hook, although the command says Before.
    after("afterRevokeMsg", "callbackBeforeAfterMsgCommand")
        .area("message")
        .ordering_key("conversationID")
        .natural_id(&["conversationID", "seq"]),
    // Push and presence.
    before("beforeOnlinePush", "callbackBeforeOnlinePushCommand")
        .push(true, false)
        .texts(&PUSH_TEXTS)
        .answers(&[
            ignored("userIDList", Texts),
            ignored("offlinePushInfo", PushInfo),
        ]),
    before("beforeOfflinePush", "callbackBeforeOfflinePushCommand")
        .push(true, false)
        .texts(&PUSH_TEXTS)
        .replaces(&[
            unless_empty("userIDList", Texts),
            if_asked("offlinePushInfo", PushInfo),
        ]),
    before(
        "beforeGroupOnlinePush",
        "callbackBeforeGroupOnlinePushCommand",
    )
    .push(false, true)
    .replaces(&[
        unless_empty("userIDList", Texts),
        ignored("offlinePushInfo", PushInfo),
    ]),
    after("afterUserOnline", "callbackAfterUserOnlineCommand")
        .area("presence")
        .ordering_key("userID"),
    after("afterUserOffline", "callbackAfterUserOfflineCommand")
        .area("presence")
        .ordering_key("userID"),
    after("afterUserKickOff", "callbackAfterUserKickOffCommand")
        .area("presence")
        .ordering_key("userID"),
    // Users.
    before("beforeUserRegister", "callbackBeforeUserRegisterCommand")
        .area("user")
        .texts(&USERS_TEXTS)
        .replaces(&[unless_empty("users", Users)]),
    after("afterUserRegister", "callbackAfterUserRegisterCommand")
        .area("user")
        .texts(&USERS_TEXTS),
    before(
        "beforeUpdateUserInfo",
        "callbackBeforeUpdateUserInfoCommand",
    )
    .area("user")
    .ordering_key("userID")
    .texts(&NICK_NAME)
    .replaces(&[
        replaces("nickName", Text),
        replaces("faceURL", Text),
        replaces("ex", Text),
    ]),
    after("afterUpdateUserInfo", "callbackAfterUpdateUserInfoCommand")
        .area("user")
        .ordering_key("userID")
        .texts(&NICK_NAME),
    before(
        "beforeUpdateUserInfoEx",
        "callbackBeforeUpdateUserInfoExCommand",
    )
    .area("user")
    .ordering_key("userID")
    .texts(&NICK_NAME)
    // `ex` is never in the request, even when it is being changed.
    .replaces(&[
        if_asked("nickName", Text),
        if_asked("faceURL", Text),
        panics("ex", Text),
    ]),
    after(
        "afterUpdateUserInfoEx",
        "callbackAfterUpdateUserInfoExCommand",
    )
    .area("user")
    .ordering_key("userID")
    .texts(&NICK_NAME),
    // Groups.
    before("beforeCreateGroup", "callbackBeforeCreateGroupCommand")
        .group()
        .texts(&GROUP_TEXTS)
        .replaces(&CREATE_GROUP),
    after("afterCreateGroup", "callbackAfterCreateGroupCommand")
        .group()
        .texts(&GROUP_TEXTS),
    before(
        "beforeMemberJoinGroup",
        "callbackBeforeMembersJoinGroupCommand",
    )
    .group()
    .replaces(&[replaces("memberCallbackList", Members)]),
    before(
        "beforeInviteUserToGroup",
        "callbackBeforeInviteJoinGroupCommand",
    )
    .group()
    .texts(&[body("reason")])
    .answers(&[ignored("refusedMembersAccount", Texts)]),
    before("beforeApplyJoinGroup", "callbackBeforeJoinGroupCommand")
        .group()
        .texts(&[body("reqMessage")]),
    after("afterJoinGroup", "callbackAfterJoinGroupCommand")
        .group()
        .texts(&[body("reqMessage")]),
    after("afterQuitGroup", "callbackAfterQuitGroupCommand").group(),
    after("afterKickGroupMember", "callbackAfterKickGroupCommand")
        .group()
        .texts(&[body("reason")]),
    after("afterDismissGroup", "callbackAfterDisMissGroupCommand").group(),
    before("beforeSetGroupInfo", "callbackBeforeSetGroupInfoCommand")
        .group()
        .texts(&GROUP_TEXTS)
        .echoes(&SET_GROUP_INFO),
    after("afterSetGroupInfo", "callbackAfterSetGroupInfoCommand")
        .group()
        .texts(&GROUP_TEXTS),
    before(
        "beforeSetGroupInfoEx",
        "callbackBeforeSetGroupInfoExCommand",
    )
    .group()
    .texts(&GROUP_TEXTS)
    .echoes(&SET_GROUP_INFO_EX),
    after("afterSetGroupInfoEx", "callbackAfterSetGroupInfoExCommand")
        .group()
        .texts(&GROUP_TEXTS),
    before(
        "beforeSetGroupMemberInfo",
        "callbackBeforeSetGroupMemberInfoCommand",
    )
    .group()
    .texts(&NICK_NAME)
    .replaces(&[
        replaces("ex", Text),
        replaces("nickName", Text),
        replaces("faceURL", Text),
        replaces("roleLevel", Int32),
    ]),
    after(
        "afterSetGroupMemberInfo",
        "callbackAfterSetGroupMemberInfoCommand",
    )
    .group()
    .texts(&NICK_NAME),
    after(
        "afterTransferGroupOwner",
        "callbackAfterTransferGroupOwnerCommand",
    )
    .group(),
    // A key without code behind it.
    after("afterGroupMsgRevoke", "").group(),
    // Relations.
    before("beforeAddFriend", "callbackBeforeAddFriendCommand")
        .area("relation")
        .ordering_key("fromUserID")
        .texts(&[body("reqMsg")]),
    after("afterAddFriend", "callbackAfterAddFriendCommand")
        .area("relation")
        .ordering_key("fromUserID")
        .texts(&[body("reqMsg")]),
    before(
        "beforeAddFriendAgree",
        "callbackBeforeAddFriendAgreeCommand",
    )
    .area("relation")
    .ordering_key("fromUserID")
    .texts(&[body("HandleMsg")]),
    after("afterAddFriendAgree", "callbackAfterAddFriendAgreeCommand")
        .area("relation")
        .ordering_key("fromUserID")
        .texts(&[body("HandleMsg")]),
    after("afterDeleteFriend", "callbackAfterDeleteFriendCommand")
        .area("relation")
        .ordering_key("ownerUserID"),
    before(
        "beforeSetFriendRemark",
        "callbackBeforeSetFriendRemarkCommand",
    )
    .area("relation")
    .ordering_key("ownerUserID")
    .texts(&[label("remark")])
    .replaces(&[unless_empty("remark", Text)]),
    after(
        "afterSetFriendRemark",
        "callbackAfterSetFriendRemarkCommand",
    )
    .area("relation")
    .ordering_key("ownerUserID")
    .texts(&[label("remark")]),
    before("beforeImportFriends", "callbackBeforeImportFriendsCommand")
        .area("relation")
        .ordering_key("ownerUserID")
        .replaces(&[unless_empty("friendUserIDs", Texts)]),
    after("afterImportFriends", "callbackAfterImportFriendsCommand")
        .area("relation")
        .ordering_key("ownerUserID"),
    before("beforeAddBlack", "callbackBeforeAddBlackCommand")
        .area("relation")
        .ordering_key("ownerUserID"),
    after("afterRemoveBlack", "callbackAfterRemoveBlackCommand")
        .area("relation")
        .ordering_key("ownerUserID"),
    // Conversations.
    before(
        "beforeCreateSingleChatConversations",
        "callbackBeforeCreateSingleChatConversationsCommand",
    )
    .area("conversation")
    .ordering_key("conversationId")
    .replaces(&CONVERSATION),
    after(
        "afterCreateSingleChatConversations",
        "callbackAfterCreateSingleChatConversationsCommand",
    )
    .area("conversation")
    .ordering_key("conversationId"),
    before(
        "beforeCreateGroupChatConversations",
        "callbackBeforeCreateGroupChatConversationsCommand",
    )
    .area("conversation")
    .ordering_key("conversationId")
    .replaces(&CONVERSATION),
    after(
        "afterCreateGroupChatConversations",
        "callbackAfterCreateGroupChatConversationsCommand",
    )
    .area("conversation")
    .ordering_key("conversationId"),
];

/// The old form of joining a group: one member a call, and an answer of another shape.
pub const ONE_MEMBER_JOINS: &str = "callbackBeforeMemberJoinGroupCommand";

/// Commands of older versions and the hook that they are now.
const RENAMED: [(&str, &str); 18] = [
    ("callbackMsgModifyCommand", "beforeMsgModify"),
    ("callbackWordFilterCommand", "beforeMsgModify"),
    ("callbackUserOnlineCommand", "afterUserOnline"),
    ("callbackUserOfflineCommand", "afterUserOffline"),
    ("callbackUserKickOffCommand", "afterUserKickOff"),
    ("callbackOfflinePushCommand", "beforeOfflinePush"),
    ("callbackOnlinePushCommand", "beforeOnlinePush"),
    (
        "callbackSuperGroupOnlinePushCommand",
        "beforeGroupOnlinePush",
    ),
    ("callbackQuitGroupCommand", "afterQuitGroup"),
    ("callbackKillGroupCommand", "afterKickGroupMember"),
    ("callbackDisMissGroupCommand", "afterDismissGroup"),
    ("callbackGroupMsgReadCommand", "afterGroupMsgRead"),
    ("callbackSingleMsgRead", "afterSingleMsgRead"),
    ("callbackTransferGroupOwnerAfter", "afterTransferGroupOwner"),
    ("callbackAfterTransferGroupOwner", "afterTransferGroupOwner"),
    ("callbackBeforeSetFriendRemark", "beforeSetFriendRemark"),
    ("callbackAfterSetFriendRemark", "afterSetFriendRemark"),
    (ONE_MEMBER_JOINS, "beforeMemberJoinGroup"),
];

/// The hook that a command means, in whatever letter case and version.
pub fn by_command(command: &str) -> Option<&'static HookInfo> {
    if command.is_empty() {
        return None;
    }
    let now = HOOKS
        .iter()
        .find(|info| info.command.eq_ignore_ascii_case(command));
    now.or_else(|| {
        let (_, name) = RENAMED
            .iter()
            .find(|(old, _)| old.eq_ignore_ascii_case(command))?;
        HOOKS.iter().find(|info| info.hook.name == *name)
    })
}

/// A string that names a command, known or not.
pub fn looks_like_command(text: &str) -> bool {
    let has_shape = || {
        let text = text.to_ascii_lowercase();
        text.starts_with("callback") && text.ends_with("command")
    };
    by_command(text).is_some() || has_shape()
}

const fn before(name: &'static str, command: &'static str) -> HookInfo {
    hook(name, command, Moment::Before, Ability::Block)
}

const fn after(name: &'static str, command: &'static str) -> HookInfo {
    hook(name, command, Moment::After, Ability::Acknowledge)
}

const fn hook(name: &'static str, command: &'static str, moment: Moment, can: Ability) -> HookInfo {
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
    const fn area(mut self, area: &'static str) -> Self {
        self.area = area;
        self
    }

    const fn ordering_key(mut self, field: &'static str) -> Self {
        self.ordering_key = field;
        self
    }

    const fn natural_id(mut self, fields: &'static [&'static str]) -> Self {
        self.natural_id = fields;
        self
    }

    const fn group(self) -> Self {
        self.area("group").ordering_key("groupID")
    }

    const fn message(mut self, receiver: Receiver) -> Self {
        self.form = Form::Message(receiver);
        self.texts(SENDER).area("message")
    }

    const fn push(mut self, user_ids: bool, seq: bool) -> Self {
        self.form = Form::Push { user_ids, seq };
        self.area("push")
    }

    const fn texts(mut self, texts: &'static [BodyText]) -> Self {
        self.texts = texts;
        self
    }

    const fn answers(mut self, fields: &'static [AnswerField]) -> Self {
        self.answer = fields;
        self
    }

    const fn replaces(mut self, fields: &'static [AnswerField]) -> Self {
        self.can = Ability::Replace;
        self.answers(fields)
    }

    const fn echoes(mut self, fields: &'static [AnswerField]) -> Self {
        self.can = Ability::ReplaceAndEcho;
        self.answers(fields)
    }
}

const fn label(name: &'static str) -> BodyText {
    BodyText {
        list: None,
        name,
        class: TextClass::Label,
    }
}

const fn body(name: &'static str) -> BodyText {
    BodyText {
        list: None,
        name,
        class: TextClass::Body,
    }
}

const fn field(name: &'static str, kind: Kind, effect: Effect) -> AnswerField {
    AnswerField { name, kind, effect }
}

const fn replaces(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::Replaces)
}

const fn unless_empty(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::ReplacesUnlessEmpty)
}

const fn if_asked(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::ReplacesIfAsked)
}

const fn panics(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::Panics)
}

const fn ignored(name: &'static str, kind: Kind) -> AnswerField {
    field(name, kind, Effect::Ignored)
}

const fn overwrites(name: &'static str, kind: Kind, absent: &'static str) -> AnswerField {
    field(name, kind, Effect::Overwrites { absent })
}

const fn echoed(name: &'static str, kind: Kind, absent: &'static str) -> AnswerField {
    field(name, kind, Effect::Echoed { absent })
}

/// What every message carries beside its content.
pub const SENDER: &[BodyText] = &[label("senderNickname")];
const PUSH_TEXTS: [BodyText; 2] = [label("title"), body("desc")];
const NICK_NAME: [BodyText; 1] = [label("nickName")];
const USERS_TEXTS: [BodyText; 1] = [BodyText {
    list: Some("users"),
    name: "nickname",
    class: TextClass::Label,
}];
const GROUP_TEXTS: [BodyText; 3] = [
    label("groupName"),
    body("notification"),
    body("introduction"),
];

const MSG_MODIFY: [AnswerField; 18] = [
    replaces("content", Text),
    replaces("recvID", Text),
    replaces("groupID", Text),
    replaces("clientMsgID", Text),
    replaces("serverMsgID", Text),
    replaces("senderPlatformID", Int32),
    replaces("senderNickname", Text),
    replaces("senderFaceURL", Text),
    replaces("sessionType", Int32),
    replaces("msgFrom", Int32),
    replaces("contentType", Int32),
    replaces("status", Int32),
    replaces("options", Flags),
    // The request does not tell whether the message has push information, and OpenIM panics
    // where it has none.
    panics("offlinePushInfo", PushInfo),
    replaces("atUserIDList", Texts),
    ignored("msgDataList", Bytes),
    replaces("attachedInfo", Text),
    replaces("ex", Text),
];

const CREATE_GROUP: [AnswerField; 13] = [
    replaces("groupID", Text),
    replaces("groupName", Text),
    replaces("notification", Text),
    replaces("introduction", Text),
    replaces("faceURL", Text),
    replaces("ownerUserID", Text),
    replaces("ex", Text),
    replaces("status", Int32),
    replaces("creatorUserID", Text),
    replaces("groupType", Int32),
    replaces("needVerification", Int32),
    replaces("lookMemberInfo", Int32),
    ignored("applyMemberFriend", Int32),
];

const SET_GROUP_INFO: [AnswerField; 9] = [
    overwrites("groupID", Text, "\"\""),
    overwrites("groupName", Text, "\"\""),
    echoed("notification", Text, "\"\""),
    overwrites("introduction", Text, "\"\""),
    overwrites("faceURL", Text, "\"\""),
    // Not echoed: "" and 0 in the request may mean that they are not set.
    replaces("ex", Text),
    replaces("needVerification", Int32),
    replaces("lookMemberInfo", Int32),
    replaces("applyMemberFriend", Int32),
];

const SET_GROUP_INFO_EX: [AnswerField; 9] = [
    overwrites("groupID", Text, "\"\""),
    overwrites("groupName", Text, "null"),
    echoed("notification", Text, "null"),
    overwrites("introduction", Text, "null"),
    overwrites("faceURL", Text, "null"),
    overwrites("ex", Text, "null"),
    overwrites("needVerification", Int32, "null"),
    overwrites("lookMemberInfo", Int32, "null"),
    overwrites("applyMemberFriend", Int32, "null"),
];

const CONVERSATION: [AnswerField; 7] = [
    replaces("recvMsgOpt", Int32),
    replaces("isPinned", Bool),
    replaces("isPrivateChat", Bool),
    replaces("burnDuration", Int32),
    replaces("groupAtType", Int32),
    replaces("attachedInfo", Text),
    replaces("ex", Text),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(command: &str, hook: &str, moment: Moment) {
        let info = by_command(command).unwrap_or_else(|| panic!("`{command}` is not known"));
        assert_eq!((info.hook.name, info.hook.moment), (hook, moment));
    }

    #[test]
    fn there_are_53_names_and_52_commands() {
        let names: BTreeSet<_> = HOOKS.iter().map(|info| info.hook.name).collect();
        let commands: BTreeSet<_> = HOOKS.iter().map(|info| info.command).collect();
        assert_eq!((names.len(), commands.len()), (53, 53));
        assert!(commands.contains(""));
    }

    #[test]
    fn commands_follow_the_rule_but_for_six() {
        let regular =
            |name: &str| format!("callback{}{}Command", name[..1].to_uppercase(), &name[1..]);
        let others: Vec<_> = HOOKS
            .iter()
            .filter(|info| info.command != regular(info.hook.name))
            .map(|info| (info.hook.name, info.command))
            .collect();
        assert_eq!(
            others,
            [
                ("afterRevokeMsg", "callbackBeforeAfterMsgCommand"),
                (
                    "beforeMemberJoinGroup",
                    "callbackBeforeMembersJoinGroupCommand"
                ),
                (
                    "beforeInviteUserToGroup",
                    "callbackBeforeInviteJoinGroupCommand"
                ),
                ("beforeApplyJoinGroup", "callbackBeforeJoinGroupCommand"),
                ("afterKickGroupMember", "callbackAfterKickGroupCommand"),
                ("afterDismissGroup", "callbackAfterDisMissGroupCommand"),
                ("afterGroupMsgRevoke", ""),
            ]
        );
    }

    #[test]
    fn before_and_after_go_by_table() {
        for info in &HOOKS {
            let before = info.hook.name.starts_with("before");
            assert_eq!(info.hook.moment == Moment::Before, before, "{}", info.hook);
            assert_eq!(info.can == Ability::Acknowledge, !before, "{}", info.hook);
            assert!(!info.area.is_empty(), "{}", info.hook);
        }
        check(
            "callbackBeforeAfterMsgCommand",
            "afterRevokeMsg",
            Moment::After,
        );
    }

    #[test]
    fn old_names_and_any_letter_case_are_understood() {
        check(
            "CALLBACKwordfilterCOMMAND",
            "beforeMsgModify",
            Moment::Before,
        );
        check("callbackSingleMsgRead", "afterSingleMsgRead", Moment::After);
        check(
            "callbackKillGroupCommand",
            "afterKickGroupMember",
            Moment::After,
        );
        check(
            "CallbackBeforeSetGroupMemberInfoCommand",
            "beforeSetGroupMemberInfo",
            Moment::Before,
        );
        for (old, name) in RENAMED {
            check(old, name, by_command(old).unwrap().hook.moment);
        }
        assert!(by_command("").is_none());
        assert!(by_command("callbackGetMessageListReactionExtensionsCommand").is_none());
    }

    #[test]
    fn what_replaces_says_what_it_replaces() {
        for info in &HOOKS {
            let acts = info.answer.iter().any(|field| field.effect.acts());
            assert_eq!(acts, info.can_replace(), "{}", info.hook);
        }
        let replacing = HOOKS.iter().filter(|info| info.can_replace()).count();
        assert_eq!(replacing, 15);
    }
}
