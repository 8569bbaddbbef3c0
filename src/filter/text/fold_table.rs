//! The table of folding: what each code point becomes, under one set of options.

use std::collections::HashMap;
use std::sync::Arc;

use super::lookalike::Kind;
use super::stream::{KIND_SHIFT, LATIN, SYMBOL};

/// The kind of an entry of the table that is no symbol: the other bits are an index into the
/// special cases. No kind is above it.
pub(super) const SPECIAL: u32 = 7 << KIND_SHIFT;
/// The kind of a letter that looks Latin; its symbol is an index into the table of lookalikes
/// until the text around it decides what it is.
pub(super) const LOOKALIKE: u32 = 6 << KIND_SHIFT;

pub(super) const PAGE: usize = 256;
/// What each code point is folded to, under one set of options.
#[derive(Clone)]
pub(crate) struct FoldTable {
    /// Which page a block of [`PAGE`] code points has, as an index into `entries` divided by it.
    pub(super) pages: Arc<[u16]>,
    /// Flags, and the symbol as a difference (exclusive or) to the code point, so that blocks
    /// without a change share a page. Tables that are built together have them in common.
    pub(super) entries: Arc<[u32]>,
    /// The entries of code points that aliases change, whole.
    pub(super) changed: HashMap<u32, u32>,
    pub(super) special: Extended<Special>,
    pub(super) lookalikes: Extended<Settled>,
    /// Lookalikes are Latin in every text.
    pub(super) always_latin: bool,
}

/// What a table has in common with others, and what it has beside that.
pub(super) struct Extended<T> {
    pub(super) shared: Arc<[T]>,
    pub(super) own: Arc<[T]>,
}

impl<T> Clone for Extended<T> {
    fn clone(&self) -> Extended<T> {
        Extended {
            shared: Arc::clone(&self.shared),
            own: Arc::clone(&self.own),
        }
    }
}

impl<T> Extended<T> {
    fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        match number.checked_sub(self.shared.len()) {
            None => self.shared.get(number),
            Some(own) => self.own.get(own),
        }
    }
}

/// The characters that are not folded to exactly one symbol.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Special {
    Drop,
    /// Dropped, and words end there.
    Parting,
    Unfold(Box<[u32]>),
    /// Joins the symbol before it, if the two make one character.
    Join {
        mark: char,
        /// What it is if they do not.
        alone: Option<u32>,
    },
    /// A mark that is a letter behind one of its script, unless that stands there already.
    Sign(u32),
    /// A sign, and what follows it in the same character.
    Signs(Box<[u32]>),
    /// A Korean letter.
    Jamo(char),
    /// Half a flag, or this letter.
    Regional(u32),
    /// A flag of a part of a country, or this sign.
    BlackFlag(u32),
    /// Begins a formatting code.
    Code,
}

/// The two things that a lookalike can be.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Settled {
    pub(super) itself: u32,
    pub(super) latin: u32,
    pub(super) kind: Kind,
}

impl FoldTable {
    #[inline]
    pub(super) fn entry(&self, c: char) -> u32 {
        let point = u32::from(c);
        if !self.changed.is_empty()
            && let Some(entry) = self.changed.get(&point)
        {
            return *entry;
        }
        let page = self.pages[point as usize / PAGE];
        self.entries[usize::from(page) * PAGE + point as usize % PAGE] ^ point
    }

    pub(super) fn lookalike(&self, symbol: u32) -> &Settled {
        let number = symbol & SYMBOL;
        let settled = self.lookalikes.get(number);
        settled.expect("its number was given when the table was built")
    }

    /// The special case of an entry; `None` if it is a symbol.
    pub(super) fn special(&self, entry: u32) -> Option<&Special> {
        let number = entry & !SPECIAL;
        (entry >= SPECIAL)
            .then(|| self.special.get(number))
            .flatten()
    }

    /// Nothing is left of a character, wherever it stands.
    pub(crate) fn drops(&self, c: char) -> bool {
        let special = self.special(self.entry(c));
        matches!(special, Some(Special::Drop | Special::Parting))
    }

    /// What a character alone is folded to, if that is one symbol; a lookalike is itself, unless
    /// it is always Latin.
    pub(crate) fn symbol(&self, c: char) -> Option<u32> {
        match self.entry(c) {
            entry if entry >= SPECIAL => match self.special(entry) {
                Some(Special::Join { alone, .. }) => alone.map(|alone| alone & SYMBOL),
                _ => None,
            },
            entry if entry >= LOOKALIKE => {
                let settled = self.lookalike(entry);
                let symbol = if self.always_latin || settled.kind == Kind::Fancy {
                    settled.latin
                } else {
                    settled.itself
                };
                Some(symbol & SYMBOL)
            }
            entry => Some(entry & SYMBOL),
        }
    }

    /// A letter that is Latin in some texts, or in all of them.
    pub(crate) fn may_be_latin(&self, c: char) -> bool {
        let entry = self.entry(c);
        entry < SPECIAL && (entry >= LOOKALIKE || entry & LATIN != 0)
    }
}
