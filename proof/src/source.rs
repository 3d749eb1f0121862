//! Finds atomic operations and conditions in source text, by pattern: code that is
//! formatted by rustfmt, in which orderings are named without a path. Makes one text in
//! which a switch picks the change that is in force.

use std::{collections::BTreeMap, ops::Range};

/// How an operation is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ordering {
    /// `Relaxed`
    Relaxed,
    /// `Acquire`
    Acquire,
    /// `Release`
    Release,
    /// `AcqRel`
    AcqRel,
    /// `SeqCst`
    SeqCst,
}

use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

const ORDERINGS: [(&str, Ordering); 5] = [
    ("Relaxed", Relaxed),
    ("Acquire", Acquire),
    ("Release", Release),
    ("AcqRel", AcqRel),
    ("SeqCst", SeqCst),
];

impl Ordering {
    /// As it is written.
    pub fn name(self) -> &'static str {
        ORDERINGS
            .iter()
            .find(|&&(_, o)| o == self)
            .map_or("", |&(name, _)| name)
    }

    /// Does it acquire?
    pub fn acquires(self) -> bool {
        matches!(self, Acquire | AcqRel | SeqCst)
    }

    /// Does it release?
    pub fn releases(self) -> bool {
        matches!(self, Release | AcqRel | SeqCst)
    }
}

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A load, or a read-modify-write that fails.
    Load,
    /// A store.
    Store,
    /// A read-modify-write.
    Write,
    /// A fence.
    Fence,
}

/// One ordering in the text.
#[derive(Clone, Debug)]
pub struct Site {
    /// The function that it is in.
    pub function: String,
    /// How many orderings there are before it in that function.
    pub nth: usize,
    /// What is ordered.
    pub kind: Kind,
    /// Its name.
    pub operation: String,
    /// How.
    pub ordering: Ordering,
    /// The name of the ordering, in the text.
    pub at: Range<usize>,
    /// The call, in the text, from the name of the operation on, or from that of its path.
    pub call: Range<usize>,
}

impl Site {
    /// The next weaker orderings. `None` is to do without the fence.
    pub fn weaker(&self) -> Vec<Option<Ordering>> {
        match (self.kind, self.ordering) {
            (_, Relaxed) => vec![],
            (Kind::Fence, SeqCst) => vec![Some(AcqRel), None],
            (Kind::Fence, _) => vec![None],
            (Kind::Load, SeqCst) => vec![Some(Acquire)],
            (Kind::Store, SeqCst) => vec![Some(Release)],
            (Kind::Write, SeqCst) => vec![Some(AcqRel)],
            (Kind::Write, AcqRel) => vec![Some(Acquire), Some(Release)],
            (_, Acquire | Release | AcqRel) => vec![Some(Relaxed)],
        }
    }
}

/// One change of the text.
#[derive(Clone, Debug)]
pub struct Change {
    /// The function that it is in.
    pub function: String,
    /// What it does to what, for people.
    pub what: String,
    /// Is it one of an ordering?
    pub of_ordering: bool,
    /// Where.
    pub at: Range<usize>,
    /// By what that is replaced.
    pub by: String,
}

impl Change {
    /// From the function's name to the next function's: what says whether it is the same
    /// change as one of another time.
    pub fn surroundings<'a>(&self, text: &'a str) -> (&'a str, usize) {
        let start = words(&text[..self.at.start], "fn").last().unwrap_or(0);
        let end = words(&text[self.at.end..], "fn").next();
        let end = end.map_or(text.len(), |end| self.at.end + end);
        (&text[start..end], self.at.start - start)
    }
}

/// The text without comments, strings, `use`s and tests, blank in their places.
pub fn code(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    let mut blank = |range: Range<usize>| {
        for byte in &mut code[range] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    while at < text.len() {
        let rest = &text[at..];
        let line_start = at == 0 || text.as_bytes()[at - 1] == b'\n';
        if line_start && rest.starts_with("#[cfg(") && {
            let mut lines = rest.lines();
            let first = lines.next().unwrap_or_default();
            let second = lines.next().unwrap_or_default();
            first.contains("test") && second.starts_with("mod tests")
        } {
            blank(at..text.len());
            break;
        }
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(inner) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = inner.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if is_word_at(text, at, "use") {
            rest.find(';').unwrap_or(rest.len())
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        blank(at..at + skipped);
        at += skipped;
    }
    String::from_utf8(code).expect("whole characters were replaced")
}

fn is_word_at(text: &str, at: usize, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text[at..].starts_with(word)
        && !text[..at].ends_with(is_part)
        && !text[at + word.len()..].starts_with(is_part)
}

fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| is_word_at(code, at, word))
}

/// The name of the function in which `at` is.
fn function_of(code: &str, at: usize) -> String {
    let before = &code[..at];
    let start = words(before, "fn").last().map_or(at, |start| start + 3);
    let name = code[start..].chars();
    name.take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// All orderings of operations, in the order in which they are written.
pub fn sites(text: &str) -> Vec<Site> {
    let code = code(text);
    let mut found: Vec<Site> = vec![];
    for (name, ordering) in ORDERINGS {
        for start in words(&code, name) {
            let at = start..start + name.len();
            if let Some((call, operation, place)) = call_of(&code, &at) {
                let kind = match operation.as_str() {
                    "load" => Kind::Load,
                    "store" => Kind::Store,
                    "fence" => Kind::Fence,
                    "compare_exchange" | "compare_exchange_weak" if place == 3 => Kind::Load,
                    "swap" | "compare_exchange" | "compare_exchange_weak" => Kind::Write,
                    other if other.starts_with("fetch_") => Kind::Write,
                    _ => continue,
                };
                let function = function_of(&code, start);
                found.push(Site {
                    function,
                    nth: 0,
                    kind,
                    operation,
                    ordering,
                    at,
                    call,
                });
            }
        }
    }
    found.sort_by_key(|site| site.at.start);
    for i in 0..found.len() {
        let function = &found[i].function;
        found[i].nth = found[..i]
            .iter()
            .filter(|site| site.function == *function)
            .count();
    }
    found
}

/// The call that has `at` as an argument, its name, and which argument that is.
fn call_of(code: &str, at: &Range<usize>) -> Option<(Range<usize>, String, usize)> {
    let after = code[at.end..].trim_start();
    if !after.starts_with([')', ',']) {
        return None;
    }
    let (mut depth, mut place) = (0, 0);
    let open = code[..at.start].char_indices().rev().find(|&(_, c)| {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth == 0 => return true,
            '(' | '[' | '{' => depth -= 1,
            ',' if depth == 0 => place += 1,
            _ => {}
        }
        false
    });
    let open = open.filter(|&(_, c)| c == '(')?.0;
    let name_start = code[..open].rfind(|c: char| !c.is_alphanumeric() && c != '_')? + 1;
    let mut depth = 0;
    let close = code[open..].find(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    let name = code[name_start..open].to_owned();
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let path = code[..name_start].trim_end_matches(is_part).len();
    // A method is called on something that is no path.
    let start = if code[..name_start].ends_with("::") {
        path
    } else {
        name_start
    };
    Some((start..open + close + 1, name, place))
}

/// Each ordering made weaker, and each condition made another one.
pub fn changes(text: &str) -> Vec<Change> {
    let code = code(text);
    let mut changes = vec![];
    for site in sites(text) {
        for weaker in site.weaker() {
            let (function, operation) = (&site.function, &site.operation);
            let from = site.ordering.name();
            let (what, at, by) = match weaker {
                Some(weaker) => (
                    format!("{operation} #{}: {from} to {}", site.nth, weaker.name()),
                    site.at.clone(),
                    // Whether it is imported or not.
                    format!("std::sync::atomic::Ordering::{}", weaker.name()),
                ),
                None => (
                    format!("{operation} #{}: gone", site.nth),
                    site.call.clone(),
                    "()".to_owned(),
                ),
            };
            changes.push(Change {
                function: function.clone(),
                what,
                of_ordering: true,
                at,
                by,
            });
        }
    }
    for (from, to) in [
        (" == ", " != "),
        (" != ", " == "),
        (" <= ", " < "),
        (" >= ", " > "),
        (" < ", " <= "),
        (" > ", " >= "),
        (" && ", " || "),
        (" || ", " && "),
    ] {
        for (start, _) in code.match_indices(from) {
            let line = line_of(text, start);
            let is_closure = code[..start].trim_end().ends_with([',', '(', '=']);
            if is_closure || line.contains(" let ") && from.contains("&&") {
                continue;
            }
            changes.push(Change {
                function: function_of(&code, start),
                what: format!("{} for {} in `{line}`", to.trim(), from.trim()),
                of_ordering: false,
                at: start..start + from.len(),
                by: to.to_owned(),
            });
        }
    }
    for start in words(&code, "if") {
        let condition = start + 3;
        let Some(end) = code[condition..].find(" {").map(|end| condition + end) else {
            continue;
        };
        let asked = &code[condition..end];
        // What is asked when the code is built is no condition.
        if asked.contains("let ") || asked.contains("=>") || asked.starts_with("cfg!(") {
            continue;
        }
        for by in ["true", "false"] {
            changes.push(Change {
                function: function_of(&code, start),
                what: format!(
                    "{by} for `{}`",
                    asked.split_whitespace().collect::<Vec<_>>().join(" ")
                ),
                of_ordering: false,
                at: condition..end,
                by: by.to_owned(),
            });
        }
    }
    number_those_alike(&mut changes);
    changes
}

/// Two in one line may say the same of themselves.
fn number_those_alike(changes: &mut [Change]) {
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for Change { function, what, .. } in changes {
        let times = times.entry((function.clone(), what.clone())).or_default();
        *times += 1;
        if *times > 1 {
            *what += &format!(" ({times})");
        }
    }
}

/// A function that is in no other one.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its `const`, if that is right before the `fn`.
    pub is_const: Option<Range<usize>>,
    /// From brace to brace.
    pub body: Range<usize>,
}

/// All of them that have a body, in the order in which they are written.
pub fn functions(text: &str) -> Vec<Function> {
    let code = code(text);
    let mut found: Vec<Function> = vec![];
    for start in words(&code, "fn") {
        let is_inside = found.last().is_some_and(|f| start < f.body.end);
        // The type of a function has no name.
        let is_named = code[start + 2..].starts_with(' ');
        if is_inside || !is_named {
            continue;
        }
        let mut depth = 0;
        let open = code[start..].find(|c| {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                _ => {}
            }
            depth == 0 && (c == '{' || c == ';')
        });
        let Some(open) = open.map(|open| start + open) else {
            continue;
        };
        if code[open..].starts_with(';') {
            continue;
        }
        let close = code[open..].find(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let Some(close) = close.map(|close| open + close + 1) else {
            continue;
        };
        let is_const = code[..start]
            .ends_with("const ")
            .then(|| start - "const ".len()..start);
        found.push(Function {
            is_const,
            body: open..close,
        });
    }
    found
}

/// The text with each of these numbered changes in a copy of its function's body, which
/// `switch`, called with that function's number, picks. Functions are numbered from `first`
/// on; says, too, which number each change's function has. `None` for those outside of all
/// functions, which are left out.
///
/// A function with changes is not `const` any more.
pub fn schemata(
    text: &str,
    changes: &[(u32, &Change)],
    switch: &str,
    first: usize,
) -> (String, Vec<Option<usize>>) {
    let functions = functions(text);
    let of = |change: &Change| {
        functions
            .iter()
            .position(|f| f.body.contains(&change.at.start))
    };
    let numbers = changes
        .iter()
        .map(|(_, change)| of(change).map(|at| first + at))
        .collect();
    let mut switched = String::new();
    let mut end = 0;
    for (at, Function { is_const, body }) in functions.iter().enumerate() {
        let mine: Vec<_> = changes.iter().filter(|(_, c)| of(c) == Some(at)).collect();
        if mine.is_empty() {
            continue;
        }
        let is_const = is_const.clone().unwrap_or(body.start..body.start);
        switched += &text[end..is_const.start];
        switched += &text[is_const.end..body.start];
        switched += &format!("{{ match {switch}({}) {{\n", first + at);
        for (number, change) in mine {
            switched += &format!("{number} => ");
            switched += &text[body.start..change.at.start];
            switched += &change.by;
            switched += &text[change.at.end..body.end];
            switched += "\n";
        }
        switched += "_ => ";
        switched += &text[body.clone()];
        switched += "\n} }";
        end = body.end;
    }
    switched += &text[end..];
    (switched, numbers)
}

fn line_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |start| start + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    text[start..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
use sync::{Acquire, Release};
// x.load(Acquire)
fn one(&self) {
    let at = self.0.load(Acquire);
    fence(SeqCst);
    if at == 1 {
        self.word
            .compare_exchange_weak(at, f(2, 3), AcqRel, Acquire)
    }
    Release::Quiet;
}
";

    #[test]
    fn orderings_are_found_where_operations_are() {
        let found = sites(TEXT);
        let found: Vec<_> = found
            .iter()
            .map(|site| (site.function.as_str(), site.nth, site.kind, site.ordering))
            .collect();
        assert_eq!(
            found,
            [
                ("one", 0, Kind::Load, Acquire),
                ("one", 1, Kind::Fence, SeqCst),
                ("one", 2, Kind::Write, AcqRel),
                ("one", 3, Kind::Load, Acquire),
            ]
        );
    }

    #[test]
    fn a_closure_is_no_condition() {
        assert!(changes("fn f() {\n    g(\n        x,\n        || y,\n    );\n}\n").is_empty());
    }

    #[test]
    fn a_fence_is_taken_out_with_its_path() {
        let text = "fn f() {\n    crate::sync::fence(SeqCst);\n}\n";
        let gone = changes(text).into_iter().find(|change| change.by == "()");
        assert_eq!(
            gone.map(|change| &text[change.at]),
            Some("crate::sync::fence(SeqCst)")
        );
    }

    #[test]
    fn a_switch_picks_one_change_of_a_function() {
        let text = "
const fn f(x: [u8; 2]) -> bool {
    fn g() {}
    x[0] == x[1]
}
fn h() -> bool {
    1 < 2
}
";
        let changes = changes(text);
        let numbered: Vec<_> = (1..).zip(&changes).collect();
        let (switched, functions) = schemata(text, &numbered, "at", 7);
        assert_eq!(functions, [Some(7), Some(8)]);
        assert_eq!(
            switched,
            "
fn f(x: [u8; 2]) -> bool { match at(7) {
1 => {
    fn g() {}
    x[0] != x[1]
}
_ => {
    fn g() {}
    x[0] == x[1]
}
} }
fn h() -> bool { match at(8) {
2 => {
    1 <= 2
}
_ => {
    1 < 2
}
} }
"
        );
    }

    #[test]
    fn changes_replace_what_they_say() {
        let changed: Vec<_> = changes(TEXT)
            .into_iter()
            .map(|Change { at, by, .. }| (TEXT[at].to_owned(), by))
            .collect();
        for (from, by) in [
            ("Acquire", "std::sync::atomic::Ordering::Relaxed"),
            ("SeqCst", "std::sync::atomic::Ordering::AcqRel"),
            ("fence(SeqCst)", "()"),
            ("AcqRel", "std::sync::atomic::Ordering::Release"),
            (" == ", " != "),
            ("at == 1", "true"),
        ] {
            assert!(
                changed.contains(&(from.to_owned(), by.to_owned())),
                "{from}"
            );
        }
        assert_eq!(changed.len(), 9);
    }
}
