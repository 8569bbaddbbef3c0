//! Looking for the entries of a group in one text: what is found, less what allowed phrases spare.

use std::ops::Range;

use super::budget::{Budget, Spent};
use super::group::{Group, Reading, Way};
use super::options::{AllowMode, Mode, SkipClasses, Urls};
use super::result::{Allowed, Clusters, Hit, Hits, Segments};
use super::search::{Candidate, Limits, Seen, find_urls};
use super::text::{self, Runs, Stream, View, longest_run};

/// Symbols that are folded, seen through a lens or looked at in one step.
const SYMBOLS_PER_STEP: usize = 2;
/// Words of combinations that are kept for one text.
const COMBINED_MAX: usize = 1 << 14;

/// What a list says about the text and its matches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub mode: Mode,
    pub allow_mode: AllowMode,
    pub limits: Limits,
    pub bidi: bool,
    pub urls: Urls,
    /// Entries from here on are words of combinations.
    pub combined_from: u32,
}

/// What is looked for in one text.
pub(super) struct Sought<'a> {
    pub text: &'a str,
    /// By list.
    pub active: &'a [bool],
    /// At least one of them holds allowed phrases.
    pub allow: bool,
    /// By list.
    pub rules: &'a [Rules],
    /// What looking for it may cost.
    pub budget: &'a Budget,
}

/// What [`Group::find`] works with; kept from text to text.
#[derive(Default)]
pub(super) struct Work {
    stream: Stream,
    views: Views,
    places: Places,
    hits: Hits,
    /// Words of combinations.
    combined: Vec<Hit>,
    /// By way of looking for phrases; `None` where nobody needs to know.
    allowed: Vec<Option<Allowed>>,
}

/// What is known about places of a text, once somebody asks.
#[derive(Default)]
struct Places {
    clusters: Clusters,
    /// Where URLs stand, in bytes, ascending; `None` as long as nobody asked.
    urls: Option<Vec<(u32, u32)>>,
}

impl Places {
    fn clear(&mut self) {
        self.clusters.clear();
        self.urls = None;
    }

    /// The hit with the marks behind it, if it stands on characters of its own, and in no URL that
    /// its list leaves alone.
    fn kept(&mut self, sought: &Sought, stream: &Stream, hit: Hit) -> Option<Hit> {
        let hit = self.clusters.whole(sought.text, stream, hit)?;
        let skips = sought.rules[hit.list as usize].urls == Urls::Skip;
        (!skips || !self.is_in_url(sought.text, stream, &hit)).then_some(hit)
    }

    fn is_in_url(&mut self, text: &str, stream: &Stream, hit: &Hit) -> bool {
        let urls = self.urls.get_or_insert_with(|| find_urls(text, stream));
        let last = urls.partition_point(|(start, _)| *start < hit.end);
        last > 0 && urls[last - 1].1 > hit.start
    }
}

/// What is made of one folded text.
#[derive(Default)]
struct Views {
    view: View,
    runs: Runs,
    segments: Segments,
}

impl Group {
    /// Appends what is reported to `reported`, list by list. Of a text that costs more than it may
    /// it is what was found until then.
    pub(super) fn find(&self, sought: &Sought, work: &mut Work, reported: &mut Vec<Hit>) {
        if !sought.budget.take(sought.text.len() / SYMBOLS_PER_STEP) {
            return;
        }
        self.table.fold(sought.text, &mut work.stream);
        work.views.segments.clear();
        work.places.clear();
        work.hits.clear();
        work.combined.clear();
        self.find_unspared(sought, work);
        if !work.combined.is_empty() {
            let Sought { text, budget, .. } = *sought;
            self.combos
                .settle(text, budget, &mut work.combined, &mut work.hits);
        }
        if !work.hits.is_empty() {
            let mode = |list: u32| sought.rules[list as usize].mode;
            work.hits.report(mode, reported);
        }
    }
}

impl Group {
    /// Finds hits and drops those that an allowed phrase spares. The phrases are looked for only
    /// if there is a hit, which is rare.
    fn find_unspared(&self, sought: &Sought, work: &mut Work) {
        let Work {
            stream,
            views,
            places,
            hits,
            combined,
            allowed,
        } = work;
        let mut complete = true;
        self.each_hit(sought, stream, (views, places), |hit| {
            if sought.is_combined(&hit) {
                if combined.len() < COMBINED_MAX {
                    combined.push(hit);
                } else {
                    sought.budget.give_up(Spent::Steps);
                }
            } else if sought.allow {
                match hits.is_full() {
                    false => hits.push(hit),
                    true => complete = false,
                }
            } else {
                sought.keep(hits, hit);
            }
        });
        if !sought.allow || hits.is_empty() && combined.is_empty() {
            return;
        }
        allowed.clear();
        allowed.resize_with(self.ways.len(), || None);
        let know = |list: u32| {
            let way = self.way_of(list);
            if allowed[way].is_none() {
                let way_allowed =
                    self.find_allowed(self.ways[way], sought, stream, (views, places));
                allowed[way] = Some(way_allowed);
            }
        };
        match complete {
            true => hits.lists().chain(lists_of(combined)).for_each(know),
            // Any of them may have more hits than were kept.
            false => {
                let lists = self.way_of.iter().map(|(list, _)| *list);
                let active = lists.filter(|list| sought.active[*list as usize]);
                active.for_each(know);
            }
        }
        let unspared = |hit: &Hit| {
            let rules = &sought.rules[hit.list as usize];
            let allowed = allowed[self.way_of(hit.list)].as_ref();
            !allowed.is_some_and(|allowed| allowed.spares(hit, rules.allow_mode))
        };
        combined.retain(unspared);
        if complete {
            hits.retain(unspared);
            return;
        }
        // Too many to keep them all: look once more, now that the phrases are known.
        hits.clear();
        self.each_hit(sought, stream, (views, places), |hit| {
            if !sought.is_combined(&hit) && unspared(&hit) {
                sought.keep(hits, hit);
            }
        });
    }

    fn each_hit(
        &self,
        sought: &Sought,
        stream: &Stream,
        (views, places): (&mut Views, &mut Places),
        mut found: impl FnMut(Hit),
    ) {
        let limits = |list: u32| sought.rules[list as usize].limits;
        let mut keep = |hit: Hit| {
            if let Some(hit) = places.kept(sought, stream, hit) {
                found(hit);
            }
        };
        self.each_candidate(
            &self.readings,
            sought,
            &stream.symbols,
            views,
            limits,
            |candidate| keep(located(sought.text, stream, &candidate)),
        );
        let Sought {
            text,
            active,
            budget,
            ..
        } = *sought;
        self.selfmask
            .find(&stream.symbols, active, budget, |candidate| {
                keep(located(text, stream, &candidate));
            });
        self.signs.find(text, active, budget, &mut keep);
        if self.bidi && text::is_overridden(sought.text) {
            let shown = text::as_shown(sought.text, stream);
            self.each_candidate(
                &self.readings,
                sought,
                &shown.symbols,
                &mut Views::default(),
                limits,
                |candidate| {
                    if sought.rules[candidate.of.list as usize].bidi {
                        keep(located_in_disorder(sought.text, &shown, &candidate));
                    }
                },
            );
        }
        self.patterns
            .find(text, active, stream, budget, &mut |hit| {
                found(places.clusters.with_marks(text, stream, hit));
            });
    }

    fn each_candidate(
        &self,
        readings: &[Reading],
        sought: &Sought,
        stream: &[u32],
        views: &mut Views,
        limits: impl Fn(u32) -> Limits + Copy,
        mut found: impl FnMut(Candidate),
    ) {
        let Views {
            view,
            runs,
            segments,
        } = views;
        for reading in readings {
            if reading.lens.is_clear() {
                let seen = Seen {
                    stream,
                    symbols: stream,
                    at: None,
                    segments,
                };
                let longest = reading.runs.as_ref().map_or(0, |_| longest_run(stream));
                reading.find(&seen, longest, sought, runs, limits, &mut found);
                continue;
            }
            for flags in [false, true] {
                if !sought.budget.take(stream.len() / SYMBOLS_PER_STEP) {
                    return;
                }
                view.fill(reading.lens, &self.sounds, stream, flags);
                // Without signs it is the view of the reading before it.
                if !reading.lens.signs || view.has_signs {
                    let seen = Seen {
                        stream,
                        symbols: &view.symbols,
                        at: Some(&view.at),
                        segments,
                    };
                    reading.find(&seen, view.longest_run, sought, runs, limits, &mut found);
                }
                if !view.may_be_flags {
                    break;
                }
            }
        }
    }

    /// The first phrase that spares a match of a list at these bytes.
    pub(super) fn sparing(&self, sought: &Sought, list: usize, found: Range<u32>) -> Option<Hit> {
        let rules = &sought.rules[list];
        let (mut stream, mut views, mut places) = <(Stream, Views, Places)>::default();
        self.table.fold(sought.text, &mut stream);
        let mut sparing = None;
        self.each_phrase(
            self.ways[self.way_of(list as u32)],
            sought,
            &stream,
            (&mut views, &mut places),
            |phrase| {
                let spares = match rules.allow_mode {
                    AllowMode::Contain => phrase.start <= found.start && phrase.end >= found.end,
                    AllowMode::Overlap => phrase.start < found.end && phrase.end > found.start,
                };
                if spares && sparing.is_none() {
                    sparing = Some(phrase);
                }
            },
        );
        sparing
    }

    fn find_allowed(
        &self,
        way: Way,
        sought: &Sought,
        stream: &Stream,
        work: (&mut Views, &mut Places),
    ) -> Allowed {
        let mut allowed = Allowed::default();
        self.each_phrase(way, sought, stream, work, |phrase| {
            allowed.push(phrase.start, phrase.end);
        });
        allowed.seal();
        allowed
    }

    fn each_phrase(
        &self,
        way: Way,
        sought: &Sought,
        stream: &Stream,
        (views, places): (&mut Views, &mut Places),
        mut found: impl FnMut(Hit),
    ) {
        let phrases = &self.phrases[way.phrases];
        let limits = |_| Limits {
            max_gap: way.max_gap,
            blanks: phrases.skip.contains(SkipClasses::SPACE),
            repeat: 0,
        };
        let clusters = &mut places.clusters;
        let mut found = |hit| found(clusters.with_marks(sought.text, stream, hit));
        self.each_candidate(
            &phrases.readings,
            sought,
            &stream.symbols,
            views,
            limits,
            |candidate| found(located(sought.text, stream, &candidate)),
        );
        let Sought {
            text,
            active,
            budget,
            ..
        } = *sought;
        phrases.signs.find(text, active, budget, &mut found);
        self.allowed.find(text, active, stream, budget, &mut found);
    }

    /// Which of the ways to look for allowed phrases spares a list's matches.
    fn way_of(&self, list: u32) -> usize {
        let at = self.way_of.binary_search_by_key(&list, |(list, _)| *list);
        self.way_of[at.expect("the list is of the group")].1
    }
}

fn lists_of(hits: &[Hit]) -> impl Iterator<Item = u32> {
    hits.iter().map(|hit| hit.list)
}

impl Sought<'_> {
    /// Keeps a hit that nothing spares.
    #[inline]
    fn keep(&self, hits: &mut Hits, hit: Hit) {
        if hits.is_full() {
            hits.keep_longest();
        }
        match self.rules[hit.list as usize].mode {
            Mode::Longest => hits.push_longest(hit),
            Mode::All => hits.push(hit),
        }
    }

    fn is_combined(&self, hit: &Hit) -> bool {
        hit.entry >= self.rules[hit.list as usize].combined_from
    }
}

impl Reading {
    fn find(
        &self,
        seen: &Seen,
        longest_run: u32,
        sought: &Sought,
        runs: &mut Runs,
        limits: impl Fn(u32) -> Limits + Copy,
        found: &mut impl FnMut(Candidate),
    ) {
        let Sought { active, budget, .. } = *sought;
        if !budget.take(seen.symbols.len() / SYMBOLS_PER_STEP) {
            return;
        }
        self.plain.find(seen, active, budget, limits, &mut *found);
        if let Some(matcher) = &self.runs
            && longest_run >= self.runs_from.clamp(2, 3)
            && budget.take(seen.symbols.len() / SYMBOLS_PER_STEP)
        {
            runs.fill(seen.symbols);
            matcher.find_runs(seen, runs, active, budget, limits, found);
        }
    }
}

/// Where a candidate stands in the original.
#[inline]
fn located(text: &str, stream: &Stream, candidate: &Candidate) -> Hit {
    let last = stream.origins[candidate.end - 1];
    Hit {
        list: candidate.of.list,
        entry: candidate.of.entry,
        start: stream.origins[candidate.start],
        end: stream.end_of(text, last),
    }
}

/// The same in a stream whose symbols are not in the order of the text.
fn located_in_disorder(text: &str, stream: &Stream, candidate: &Candidate) -> Hit {
    let origins = stream.origins[candidate.start..candidate.end].iter();
    let (first, last) = origins.fold((u32::MAX, 0), |(first, last), origin| {
        (first.min(*origin), last.max(*origin))
    });
    Hit {
        list: candidate.of.list,
        entry: candidate.of.entry,
        start: first,
        end: stream.end_of(text, last),
    }
}
