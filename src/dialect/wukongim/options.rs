//! What an operator says about WuKongIM.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WukongImOptions {
    /// A call or an event that cannot be read is answered 503 instead of 200.
    pub refuses_unreadable: bool,
}
