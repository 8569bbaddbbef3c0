//! Every hook of OpenIM v3: names, commands, texts and what answers can do.
//!
//! Source: open-im-server main, `pkg/callbackstruct`; names of older versions from v2.0.2 on.

use crate::dialect::hooks::HookInfo;
use crate::dialect::hooks::Kind::{Int32, Members, PushInfo, Text, Texts, Users};
use crate::dialect::hooks::Receiver;

use super::answers::{CONVERSATION, CREATE_GROUP, MSG_MODIFY, SET_GROUP_INFO, SET_GROUP_INFO_EX};
use super::build::{
    GROUP_TEXTS, NICK_NAME, PUSH_TEXTS, USERS_TEXTS, after, before, body, if_asked, ignored, label,
    replaces, unless_empty,
};

/// The hook of every after command that has none of its own.
pub(crate) const OTHER: &str = "*";

/// Every key of `webhooks.yml`, those that are asked most first.
pub(crate) static HOOKS: [HookInfo; 54] = [
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
            replaces("offlinePushInfo", PushInfo),
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
        replaces("ex", Text),
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
    // Commands of tomorrow.
    HookInfo {
        area: "other",
        ..after(OTHER, "")
    },
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
