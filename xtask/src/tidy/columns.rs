//! A statement must name the columns that it returns: a statement that returns `*` changes its result when a migration adds
//! a column, and fails if it is prepared.

use super::Finding;
use super::tokens::Tokens;

/// Checks the string literals of a Rust file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    Tokens::parse(text)
        .strings
        .into_iter()
        .filter(|(_, literal)| returns_all_columns(literal))
        .map(|(line, _)| {
            Finding::new(
                format!("{path}:{line}"),
                "the statement returns *: name its columns",
            )
        })
        .collect()
}

/// Returns whether an outermost SELECT or RETURNING has a `*` in its list. The SELECT of an INSERT returns no rows.
fn returns_all_columns(sql: &str) -> bool {
    let spaced: String = sql
        .chars()
        .flat_map(|symbol| match symbol {
            '(' | ')' | ',' | '*' | '.' => vec![' ', symbol, ' '],
            _ => vec![symbol],
        })
        .collect();
    let (mut depth, mut in_list, mut inserts) = (0_i32, false, false);
    for word in spaced.split_whitespace() {
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth != 0 => {}
            "INSERT" => inserts = true,
            "SELECT" => in_list = !inserts,
            "RETURNING" => in_list = true,
            "FROM" | "WHERE" => in_list = false,
            "*" if in_list => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_in_an_outermost_list_is_found() {
        for sql in [
            "SELECT * FROM t",
            "SELECT a.*, (SELECT count(*) FROM b) AS n FROM a",
            "WITH c AS (SELECT x FROM y) SELECT c.* FROM c",
            "UPDATE t SET a = 1 RETURNING *",
        ] {
            let found = check("a.rs", &format!("\nconst SQL: &str = \"{sql}\";"));
            assert_eq!(found.len(), 1, "{sql}");
            assert_eq!(found[0].place, "a.rs:2");
        }
    }

    #[test]
    fn star_elsewhere_is_allowed() {
        for sql in [
            "SELECT count(*) AS n FROM t",
            "SELECT o.id FROM (SELECT * FROM orders WHERE id = $1) o",
            "INSERT INTO t (a, b) SELECT * FROM unnest($1, $2)",
            "SELECT a FROM t WHERE b < 2 * 3",
            "SELECT (1 * 2) AS a FROM t",
        ] {
            let text = format!("const SQL: &str = r#\"{sql}\"#; // \"SELECT *\"");
            assert_eq!(check("a.rs", &text), [], "{sql}");
        }
    }

    #[test]
    fn quotes_in_character_literals_and_escapes_are_handled() {
        let text = r#"let a = '"'; let b = "x \" SELECT 1"; let c = "SELECT * FROM t";"#;
        assert_eq!(check("a.rs", text).len(), 1);
    }
}
