//! What servers write, made harmless for what shows it.

/// Characters that are not themselves on a terminal or a page, or change what stands beside them, as `\u{1b}`.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

fn is_harmless(c: char) -> bool {
    !(c.is_control()
        || matches!(
            u32::from(c),
            // Arabic letter mark, marks of direction, embeddings, overrides and isolates.
            0x061c | 0x200e..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069
            // What has no width, and what fills a place unseen.
            | 0x00ad | 0x034f | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200d | 0x2060..=0x2065
            | 0x206a..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            // Ends of lines and paragraphs, tags, variation selectors.
            | 0x2028..=0x2029 | 0xe0000..=0xe0fff
        ))
}

/// The same as text, or as the value of an attribute, in HTML.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The same as text of a Mermaid diagram. All that could mean something there is an entity of its own (`#35;`).
pub(super) fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            ' ' | '.' | ',' | ':' | '/' | '-' | '_' | '(' | ')' | '=' | '·' | '…' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => out.push_str(&format!("#{};", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_do_nothing() {
        assert_eq!(visible("a\nb\r\t\u{1b}[31m\u{7f}\u{9b}"), r"a\u{a}b\u{d}\u{9}\u{1b}[31m\u{7f}\u{9b}");
        assert_eq!(visible("\u{202e}evil\u{2066}\u{2069}\u{200f}"), r"\u{202e}evil\u{2066}\u{2069}\u{200f}");
        assert_eq!(visible("\u{200b}\u{feff}\u{2028}\u{e0041}"), r"\u{200b}\u{feff}\u{2028}\u{e0041}");
        assert_eq!(visible("Jäson 日本 →"), "Jäson 日本 →");
    }

    #[test]
    fn html_has_no_markup_left() {
        assert_eq!(html("\"><script>&'\n"), r"&quot;&gt;&lt;script&gt;&amp;&#39;\u{a}");
    }

    #[test]
    fn mermaid_has_no_statement_left() {
        assert_eq!(mermaid("a;b#c%%{x}\n"), "a#59;b#35;c#37;#37;#123;x#125;#92;u#123;a#125;");
        assert_eq!(mermaid("\"><script>"), "#34;#62;#60;script#62;");
        assert_eq!(mermaid("401 Unauthorized · 2.1 ms"), "401 Unauthorized · 2.1 ms");
    }
}
