//! Users that a call is for or about, wherever it names them.
//!
//! Source: open-im-server main, `pkg/callbackstruct`.

use crate::dialect::document::json::{self, Object};
use crate::event::Recipients;

/// Lists of ids.
const LISTS: [&str; 5] = [
    "userIDList",
    "invitedUserIDs",
    "kickedUserIDs",
    "membersID",
    "friendUserIDs",
];
/// Lists of users, each with its `userID`.
const USERS: [&str; 3] = ["memberList", "initMemberList", "users"];
/// Single ids, and the group of calls without a message.
const ONES: [&str; 19] = [
    "sendID",
    "recvID",
    "receiveID",
    "creatorUserID",
    "userID",
    "userId",
    "fromUserID",
    "toUserID",
    "ownerUserID",
    "ownerUserId",
    "friendUserID",
    "blackUserID",
    "oldOwnerUserID",
    "newOwnerUserID",
    "inviterUserID",
    "applyID",
    "ownerID",
    "groupID",
    "groupId",
];
/// The id of a conversation, in which the group stands, or both users.
const CONVERSATION: [&str; 2] = ["conversationID", "conversationId"];

/// Who a conversation is of: the group of `sg_<group>`, or of `si_<a>_<b>` the one who is not the
/// user that the call names. Ids may hold a `_` themselves, so one of the two must be known.
fn members_of(conversation: &str, object: &Object<'_>) -> Option<String> {
    if let Some(group) = conversation.strip_prefix("sg_") {
        return Some(group.to_owned());
    }
    let both = conversation.strip_prefix("si_")?;
    let user = object.text("userID")?;
    let after = || both.strip_prefix(&*user)?.strip_prefix('_');
    let before = || both.strip_suffix(&*user)?.strip_suffix('_');
    after().or_else(before).map(str::to_owned)
}

/// `None` where the call names nobody beside a message's sender and receiver.
pub(crate) fn read(object: &Object<'_>) -> Option<Recipients> {
    let mut ids = Vec::new();
    for member in &object.members {
        let is_in = |names: &[&str]| names.iter().any(|name| json::same_key(&member.key, name));
        match member.value.as_bytes().first() {
            Some(b'"') if is_in(&ONES) => ids.extend(json::text(member.value).map(Into::into)),
            Some(b'"') if is_in(&CONVERSATION) => {
                let id = json::text(member.value).unwrap_or_default();
                ids.extend(members_of(&id, object));
            }
            Some(b'[') if is_in(&LISTS) => {
                ids.extend(json::texts(member.value).unwrap_or_default());
            }
            Some(b'[') if is_in(&USERS) => {
                for user in json::elements(member.value).unwrap_or_default() {
                    ids.extend(Object::split(user).text("userID").map(Into::into));
                }
            }
            _ => {}
        }
    }
    ids.retain(|id: &String| !id.is_empty());
    (!ids.is_empty()).then_some(Recipients { ids, lost: false })
}
