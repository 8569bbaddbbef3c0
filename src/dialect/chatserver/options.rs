//! What an operator says about chatServer.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatServerOptions {
    /// A message's `type` 1 is a room and 2 a person, as its client SDK counts.
    pub type_1_is_room: bool,
    /// A refused action is answered with `retVal` true, so that its client shows why.
    pub shows_refusals: bool,
}
