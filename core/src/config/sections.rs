//! Cuts the file down to some of its top-level sections, so that `ingest` reads its sources even
//! where YAML breaks further down. Lines keep their numbers.

/// The text with every line blanked that is not of these sections.
pub(super) fn only(text: &str, sections: &[&str]) -> String {
    let mut kept = true;
    let mut blanked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if let Some(key) = top_level_key(line) {
            kept = sections.contains(&key);
        }
        if kept {
            blanked.push_str(line);
        } else if line.ends_with('\n') {
            blanked.push('\n');
        }
    }
    blanked
}

/// The key of a line that begins a section: it stands at the left edge and has its colon. Anything
/// else at the left edge (a list's dash, a closing bracket, the broken rest of a line) belongs to
/// the section above.
fn top_level_key(line: &str) -> Option<&str> {
    let line = line.trim_start_matches('\u{feff}');
    let (key, rest) = line.split_once(':')?;
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let key = key.trim_end();
    let bare = |quote: char| key.strip_prefix(quote)?.strip_suffix(quote);
    let key = bare('"').or_else(|| bare('\'')).unwrap_or(key);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    (!key.is_empty() && !key.starts_with('-') && key.chars().all(plain)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sections_asked_for_are_left_on_their_lines() {
        let text = "# head\nroutes:\n- name: a\n- [\n]\n\"sources\":\n  a: 1\n}\ntargets: {\n";
        assert_eq!(only(text, &["sources"]), "# head\n\n\n\n\n\"sources\":\n  a: 1\n}\n\n");
    }
}
