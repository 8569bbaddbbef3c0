//! The options that a code point is folded by, and which of them were asked: what some characters
//! are folded to depends on no other, and is the same for all who agree in these.

use std::cell::Cell;

use crate::filter::options::{Confusables, Locale, Marks, Options};

const CASE: u32 = 1;
const WIDTH: u32 = 1 << 1;
const STYLE: u32 = 1 << 2;
const TRAD: u32 = 1 << 3;
const INVISIBLE: u32 = 1 << 4;
const CODES: u32 = 1 << 5;
const KANA: u32 = 1 << 6;
const HAMZA: u32 = 1 << 7;
const NUM_STYLE: u32 = 1 << 8;
const TURKISH: u32 = 1 << 9;
const CONFUSABLES: u32 = 1 << 10;
const MARKS_ON: u32 = 1 << 11;
const MARKS_OFF: u32 = 1 << 12;

/// Values of options, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Values(u32);

/// Some options, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked(u32);

/// The options that fold one code point, but for aliases. Each is asked by its name.
#[derive(Clone)]
pub(super) struct Folding {
    values: u32,
    asked: Cell<u32>,
}

impl Folding {
    pub(super) fn of(options: &Options) -> Folding {
        let values = [
            (CASE, options.case),
            (WIDTH, options.width),
            (STYLE, options.style),
            (TRAD, options.trad),
            (INVISIBLE, options.invisible),
            (CODES, options.codes),
            (KANA, options.kana),
            (HAMZA, options.hamza),
            (NUM_STYLE, options.num_style),
            (TURKISH, options.locale == Locale::Tr),
            (CONFUSABLES, options.confusables != Confusables::Off),
            (MARKS_ON, options.marks == Marks::On),
            (MARKS_OFF, options.marks == Marks::Off),
        ];
        let on = values.into_iter().filter(|(_, on)| *on);
        Folding {
            values: on.fold(0, |values, (bit, _)| values | bit),
            asked: Cell::new(0),
        }
    }

    /// Runs what asks some options. Gives back which those were, too.
    pub(super) fn watch<T>(&self, run: impl FnOnce() -> T) -> (T, Asked) {
        self.asked.set(0);
        let done = run();
        (done, Asked(self.asked.get()))
    }

    /// The values of these options.
    pub(super) fn values(&self, asked: Asked) -> Values {
        Values(self.values & asked.0)
    }

    fn is(&self, option: u32) -> bool {
        self.asked.set(self.asked.get() | option);
        self.values & option != 0
    }

    pub(super) fn case(&self) -> bool {
        self.is(CASE)
    }

    pub(super) fn width(&self) -> bool {
        self.is(WIDTH)
    }

    pub(super) fn style(&self) -> bool {
        self.is(STYLE)
    }

    pub(super) fn trad(&self) -> bool {
        self.is(TRAD)
    }

    pub(super) fn invisible(&self) -> bool {
        self.is(INVISIBLE)
    }

    pub(super) fn codes(&self) -> bool {
        self.is(CODES)
    }

    pub(super) fn kana(&self) -> bool {
        self.is(KANA)
    }

    pub(super) fn hamza(&self) -> bool {
        self.is(HAMZA)
    }

    pub(super) fn num_style(&self) -> bool {
        self.is(NUM_STYLE)
    }

    pub(super) fn turkish(&self) -> bool {
        self.is(TURKISH)
    }

    pub(super) fn confusables(&self) -> bool {
        self.is(CONFUSABLES)
    }

    pub(super) fn marks(&self) -> Marks {
        match (self.is(MARKS_ON), self.is(MARKS_OFF)) {
            (true, _) => Marks::On,
            (_, true) => Marks::Off,
            _ => Marks::Zalgo,
        }
    }
}
