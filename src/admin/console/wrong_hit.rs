//! A wrong hit: a phrase around what matched, drafted for a list of phrases that are allowed.

use std::ops::Range;

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{
    Tone, area, empty, heading, hostile, link, missing, notice, of_core, page, section,
};
use super::language::Both;
use super::list_parts::path;
use super::visit::{Answer, Visit};
use crate::admin::decisions::decision;
use crate::admin::shown::Admin;
use crate::admin::trying::kept_texts;
use crate::history::{Row, RowMatch};
use crate::lists::ListShown;
use crate::operators::Capability;

/// Of a script without blanks so many characters on each side make a phrase.
const SIDE_CHARS: usize = 4;
/// Of a longer word not all is taken.
const WORD_CHARS: usize = 24;

struct WrongWords {
    title: &'static str,
    lead: &'static str,
    matched: &'static str,
    allowed: &'static str,
    phrase: &'static str,
    phrase_hint: &'static str,
    preview: &'static str,
    into: &'static str,
    no_text: &'static str,
    all_of_it: &'static str,
    no_list: &'static str,
    no_list_hint: &'static str,
    or_else: &'static str,
    open_list: &'static str,
    inline: &'static str,
    back: &'static str,
}

static WORDS: Both<WrongWords> = Both {
    english: WrongWords {
        title: "A wrong hit",
        lead: "What should have passed passes by a phrase that is allowed: it spares the entry there, and nowhere else.",
        matched: "What matched",
        allowed: "Allow a phrase",
        phrase: "Phrase",
        phrase_hint: "It holds the entry and enough around it to mean this alone. The next page shows what it would free, before anything is saved.",
        preview: "Preview",
        into: "in",
        no_text: "The text is not kept, or not yours to read: type the phrase that should have passed, with the entry in it.",
        all_of_it: "The text holds nothing but the entry, so a phrase would spare it everywhere. Take the entry out of its list instead.",
        no_list: "No list of allowed phrases is in the policy.",
        no_list_hint: "Whoever keeps policy.yaml adds one, with its file and at the hook; then it stands here:",
        or_else: "Or change the entry",
        open_list: "Find it in its list",
        inline: "The entry stands in policy.yaml itself, where no page edits it: whoever keeps that file takes it out.",
        back: "Back to the decision",
    },
    chinese: WrongWords {
        title: "误判",
        lead: "本应通过的内容由放行短语放行：只在该短语中豁免此词条，其他地方不变。",
        matched: "命中内容",
        allowed: "放行一个短语",
        phrase: "短语",
        phrase_hint: "包含该词条和足够的上下文，只表示这一种意思。下一页会先显示将放行什么，之后才保存。",
        preview: "预览",
        into: "加入",
        no_text: "文本已不再保留，或您无权阅读：请输入本应通过的短语，其中包含该词条。",
        all_of_it: "文本中只有该词条，放行短语会使它到处失效。请改为从词表中移除该词条。",
        no_list: "策略中没有放行短语的词表。",
        no_list_hint: "请由维护 policy.yaml 的人添加一个带文件的词表，并用于该钩子；之后会显示在这里：",
        or_else: "或修改词条",
        open_list: "在词表中查找",
        inline: "该词条写在 policy.yaml 中，页面无法编辑：请由维护该文件的人移除。",
        back: "返回此决策",
    },
};

/// What was meant to be added to `policy.yaml`, as a start.
const EXAMPLE: &str = "lists:\n  allowed: {file: lists/allowed.txt, action: allow}";

pub(in crate::admin) async fn wrong_hit_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let row = match decision(&admin, visit.param("id")).await {
        Ok(row) => row,
        Err(why) => return Ok(missing(&visit, &html! { (of_core(&visit, why)) })),
    };
    let index = visit.asks("match").parse::<usize>().unwrap_or_default();
    let Some(found) = row.matches.get(index) else {
        return Ok(missing(&visit, &html! { (visit.words.not_there) }));
    };
    let text = text_of(&admin, &visit, &row, found).await;
    let snapshot = admin.policies.current();
    let entry = admin.history.in_force(&snapshot, &found.list, found.entry);
    let entry = entry.map(|entry| entry.text);
    let lists = admin.lists.all();
    let allowed = lists
        .iter()
        .filter(|list| list.action == "allow" && list.file.is_some());
    let allowed: Vec<&ListShown> = allowed.collect();
    let drafted = text.as_ref().map(|text| drafted(text, &span(found)));
    let body = html! {
        (heading(words.title, words.lead))
        p {
            (words.matched) ": " strong { (hostile(&visit, entry.as_deref().unwrap_or("?"))) }
            " " span .hint { (hostile(&visit, &found.list)) }
        }
        (section(words.allowed, html! {
            @match &drafted {
                _ if allowed.is_empty() => {
                    (empty(words.no_list, html! { p { (words.no_list_hint) } pre tabindex="0" { (EXAMPLE) } }))
                }
                Some(None) => (notice(Tone::Warn, html! { p { (words.all_of_it) } })),
                Some(Some(phrase)) => (form(words, &allowed, phrase)),
                None => {
                    (notice(Tone::Info, html! { p { (words.no_text) } }))
                    (form(words, &allowed, entry.as_deref().unwrap_or_default()))
                }
            }
        }))
        (section(words.or_else, in_its_list(words, &lists, found, entry.as_deref())))
        p { (link(&format!("/decisions/{}", row.id), words.back)) }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

/// The text that it matched in, where it is kept and may be read; that it was read is on record.
async fn text_of(admin: &Admin, visit: &Visit, row: &Row, found: &RowMatch) -> Option<String> {
    if !visit.may(Capability::Text) {
        return None;
    }
    let (_, texts) = kept_texts(admin, &visit.asked, &row.id.to_string())
        .await
        .ok()?;
    let mut texts = texts?.into_iter();
    let text = texts.find(|text| text.place == found.place)?;
    Some(text.value)
}

fn span(found: &RowMatch) -> Range<usize> {
    found.bytes.0 as usize..found.bytes.1 as usize
}

/// One form, with a way into each list that could have the phrase.
fn form(words: &WrongWords, allowed: &[&ListShown], phrase: &str) -> Markup {
    let first = allowed.first().map_or("", |list| list.name.as_str());
    html! {
        form method="get" action={ (path(first)) "/draft" } data-save {
            (area(words.phrase, "add", 2, phrase, words.phrase_hint, None))
            div .acts {
                @for (at, list) in allowed.iter().enumerate() {
                    button .primary[at == 0] formaction={ (path(&list.name)) "/draft" } {
                        (words.preview) @if allowed.len() > 1 { " " (words.into) " " (list.name) }
                    }
                }
            }
        }
    }
}

fn in_its_list(
    words: &WrongWords,
    lists: &[ListShown],
    found: &RowMatch,
    entry: Option<&str>,
) -> Markup {
    let its = lists.iter().find(|list| list.name == found.list);
    let has_file = its.is_some_and(|list| list.file.is_some());
    if !has_file || found.line == 0 {
        return html! { p .hint { (words.inline) } };
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("search", entry.unwrap_or_default())
        .finish();
    link(&format!("{}?{query}", path(&found.list)), words.open_list)
}

/// What matched with what stands around it; `None` where nothing does.
fn drafted(text: &str, span: &Range<usize>) -> Option<String> {
    let (before, matched) = (text.get(..span.start)?, text.get(span.clone())?);
    let after = text.get(span.end..)?;
    let (left, right) = (end_of(before), start_of(after));
    let is_apart = left.is_empty() && right.is_empty();
    let (left, right) = match is_apart {
        false => (left, right),
        // A word of its own: the words beside it say what it means here.
        true => (with_gap_before(before), with_gap_after(after)),
    };
    let phrase = format!("{left}{matched}{right}");
    let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_more = phrase.chars().filter(|c| c.is_alphanumeric()).count()
        > matched.chars().filter(|c| c.is_alphanumeric()).count();
    is_more.then_some(phrase)
}

/// How many characters of a word are taken, by its first.
fn side(first: char) -> usize {
    match first.is_alphabetic() && !first.is_lowercase() && !first.is_uppercase() {
        // Of scripts without case most have no blanks either.
        true => SIDE_CHARS,
        false => WORD_CHARS,
    }
}

/// The end of a word that what follows is a part of.
fn end_of(before: &str) -> &str {
    let most = before.chars().next_back().map_or(0, side);
    let chars = before.char_indices().rev().take(most);
    let taken = chars.take_while(|(_, c)| c.is_alphanumeric());
    taken.last().map_or("", |(at, _)| &before[at..])
}

fn start_of(after: &str) -> &str {
    let most = after.chars().next().map_or(0, side);
    let chars = after.char_indices().take(most);
    let taken = chars.take_while(|(_, c)| c.is_alphanumeric());
    let end = taken.last().map_or(0, |(at, c)| at + c.len_utf8());
    &after[..end]
}

fn with_gap_before(before: &str) -> &str {
    let word = end_of(before.trim_end_matches(|c: char| !c.is_alphanumeric()));
    let trimmed = before.trim_end_matches(|c: char| !c.is_alphanumeric());
    &before[trimmed.len() - word.len()..]
}

fn with_gap_after(after: &str) -> &str {
    let trimmed = after.trim_start_matches(|c: char| !c.is_alphanumeric());
    let gap = after.len() - trimmed.len();
    &after[..gap + start_of(trimmed).len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_holds_the_match_and_what_makes_it_harmless() {
        let check = |text: &str, matched: &str, expected: Option<&str>| {
            let at = text.find(matched).unwrap();
            let found = drafted(text, &(at..at + matched.len()));
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("see Scunthorpe today", "cunt", Some("Scunthorpe"));
        check("a vip lounge, please", "vip", Some("a vip lounge"));
        check("vip", "vip", None);
        check("  vip!! ", "vip", None);
        check("祝你生日快乐永远十八岁", "日", Some("祝你生日快乐永远"));
        check("casino\nnight", "casino", Some("casino night"));
        check("Ürümqi-vip-Ürümqi", "vip", Some("Ürümqi-vip-Ürümqi"));
        // What is cut in two is not drafted from.
        assert_eq!(drafted("日", &(1..2)), None);
    }
}
