//! Rules for language: words and sentence openings that this project avoids, with the terms to use instead. They make a text hard
//! to follow for readers who know the field's terms; `docs/contribute/glossary.md` has those.

use super::Finding;

/// Words and phrases in lower case, and the terms to use instead.
const BANNED: [(&[&str], &str); 20] = [
    (&["answer"], "response, result or return"),
    (&["answers"], "responses, results or returns"),
    (&["answered"], "returned, responded or handled"),
    (&["answering"], "responding or handling"),
    (&["tell"], "report, notify, return or log"),
    (&["tells"], "reports, notifies, returns or logs"),
    (&["told"], "reported, notified or logged"),
    (&["stand"], "is, or the exact verb"),
    (&["stands"], "is, or the exact verb"),
    (&["nobody"], "no client, no task or no process"),
    (&["beside"], "next to, or in addition to"),
    (&["whoever"], "the client, task or process that"),
    (&["anew"], "again"),
    (&["bears"], "has or tolerates"),
    (&["goes", "on"], "continues"),
    (&["by", "itself"], "the exact condition"),
    (&["so", "many"], "a count with its unit"),
    (&["so", "much"], "an amount with its unit"),
    (&["so", "long"], "a duration"),
    (&["so", "often"], "a rate or an interval"),
];

/// Words that no doc comment begins with: its subject comes first.
const OPENINGS: [&str; 3] = ["What ", "Who ", "Whoever "];

/// A line that needs a word ends with this and the word.
const EXCUSE: &str = "tidy: allow ";

/// Checks one source file or document.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let problem = problem(line)?;
            Some(Finding::new(format!("{path}:{}", index + 1), problem))
        })
        .collect()
}

fn problem(line: &str) -> Option<String> {
    let (line, excused) = line.split_once(EXCUSE).unwrap_or((line, ""));
    let comment = line.trim_start();
    let comment = comment
        .strip_prefix("/// ")
        .or_else(|| comment.strip_prefix("//! "));
    if let Some(opening) = comment.and_then(|text| OPENINGS.iter().find(|it| text.starts_with(*it)))
    {
        return Some(format!(
            "a doc comment begins with {:?}, expected its subject",
            opening.trim_end()
        ));
    }
    let words: Vec<String> = line
        .split(|char: char| !(char.is_alphanumeric() || char == '_' || char == '\''))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let (phrase, instead) = BANNED
        .iter()
        .find(|(phrase, _)| words.windows(phrase.len()).any(|found| found == *phrase))?;
    let phrase = phrase.join(" ");
    if excused.contains(phrase.as_str()) {
        return None;
    }
    Some(format!("{phrase:?}: write {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_words_are_found_with_their_lines() {
        let text = "/// Returns the orders.\n/// Nobody waits.\nlet answer = 1;\n"; // tidy: allow answer
        let found = check("a.rs", text);
        let places: Vec<&str> = found.iter().map(|it| it.place.as_str()).collect();
        assert_eq!(places, ["a.rs:2", "a.rs:3"]);
        assert!(found[1].problem.contains("response"));
    }

    #[test]
    fn phrases_are_found_and_parts_of_names_are_not() {
        assert!(problem("// The reader goes on after a restart.").is_some()); // tidy: allow goes on
        assert_eq!(problem("// It goes down, and then on."), None);
        assert_eq!(problem("fn stands_in(answer_headers: Headers) {}"), None);
        assert_eq!(problem("// A bearer key, a standby."), None);
    }

    #[test]
    fn doc_comments_begin_with_their_subject() {
        assert!(problem("    /// What is kept.").is_some());
        assert!(problem("//! Who may call.").is_some());
        assert_eq!(problem("    /// The kept rows."), None);
        assert_eq!(problem("    // What follows is not a doc comment."), None);
    }

    #[test]
    fn a_line_can_excuse_a_word() {
        let line = "const WORD: &str = \"answer\"; // tidy: allow answer";
        assert_eq!(problem(line), None);
        assert!(problem("// Nobody. tidy: allow answer").is_some()); // tidy: allow nobody
    }
}
