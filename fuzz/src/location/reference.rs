//! RFC 3986 to the letter: a reference is taken apart as in appendix B, transformed as in section
//! 5.2.2, and put together as in section 5.3. What a redirect asks beyond that is marked.

/// The five components of a reference; what is not there is undefined.
#[derive(Clone, Debug, Default)]
struct Components {
    scheme: Option<String>,
    authority: Option<String>,
    path: String,
    query: Option<String>,
}

/// Where `reference` leads from `base`, a URI with an authority. What is no `http` or `https` URI,
/// with an authority, is nowhere.
pub(super) fn resolve(base: &str, reference: &[u8]) -> Option<String> {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    // A redirect's own: blanks around it are none of the reference, and an empty one leads nowhere.
    let first = reference.iter().position(|octet| !blank(octet))?;
    let last = reference.iter().rposition(|octet| !blank(octet))?;
    let (b, r) = (components(base), components(&escaped(&reference[first..=last])));
    let mut t = transformed(&b, r);

    // A redirect's own: no userinfo goes along, and the path of an http URI is never empty.
    let authority = t.authority?;
    t.authority = authority.split('@').next_back().map(str::to_owned);
    if t.path.is_empty() {
        t.path.push('/');
    }
    t.scheme = t.scheme.map(|scheme| scheme.to_ascii_lowercase());
    matches!(t.scheme.as_deref(), Some("http" | "https")).then(|| recomposed(&t))
}

/// Octets that occur in no URI (section 2) as percent-encoded ones: servers leave them in.
fn escaped(octets: &[u8]) -> String {
    const UNRESERVED: &[u8] = b"-._~";
    const GEN_DELIMS: &[u8] = b":/?#[]@";
    const SUB_DELIMS: &[u8] = b"!$&'()*+,;=";
    let mut text = String::new();
    for octet in octets {
        let occurs = octet.is_ascii_alphanumeric()
            || *octet == b'%'
            || [UNRESERVED, GEN_DELIMS, SUB_DELIMS].iter().any(|set| set.contains(octet));
        if occurs { text.push(char::from(*octet)) } else { text += &format!("%{octet:02X}") }
    }
    text
}

/// Appendix B: `^(([^:/?#]+):)?(//([^/?#]*))?([^?#]*)(\?([^#]*))?(#(.*))?`, where a scheme has to be
/// one (section 3.1). The fragment stays here.
fn components(text: &str) -> Components {
    let mut parts = Components::default();
    let mut rest = text;
    let (name, behind) = span(rest, ":/?#");
    if let (true, Some(behind)) = (is_scheme(name), behind.strip_prefix(':')) {
        parts.scheme = Some(name.to_owned());
        rest = behind;
    }
    if let Some(behind) = rest.strip_prefix("//") {
        let (authority, behind) = span(behind, "/?#");
        parts.authority = Some(authority.to_owned());
        rest = behind;
    }
    let (path, behind) = span(rest, "?#");
    parts.path = path.to_owned();
    if let Some(behind) = behind.strip_prefix('?') {
        parts.query = Some(span(behind, "#").0.to_owned());
    }
    parts
}

/// `[^stop]*`, and what follows.
fn span<'a>(text: &'a str, stop: &str) -> (&'a str, &'a str) {
    let end = text.char_indices().find(|(_, character)| stop.contains(*character));
    text.split_at(end.map_or(text.len(), |(end, _)| end))
}

/// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn is_scheme(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|next| matches!(next, 'a'..='z' | 'A'..='Z' | '0'..='9' | '+' | '-' | '.'))
}

/// Section 5.2.2, line by line.
fn transformed(base: &Components, r: Components) -> Components {
    let mut t = Components::default();
    if r.scheme.is_some() {
        t.scheme = r.scheme;
        t.authority = r.authority;
        t.path = remove_dot_segments(&r.path);
        t.query = r.query;
    } else {
        if r.authority.is_some() {
            t.authority = r.authority;
            t.path = remove_dot_segments(&r.path);
            t.query = r.query;
        } else {
            if r.path.is_empty() {
                t.path.clone_from(&base.path);
                t.query = if r.query.is_some() { r.query } else { base.query.clone() };
            } else {
                if r.path.starts_with('/') {
                    t.path = remove_dot_segments(&r.path);
                } else {
                    t.path = remove_dot_segments(&merge(base, &r.path));
                }
                t.query = r.query;
            }
            t.authority.clone_from(&base.authority);
        }
        t.scheme.clone_from(&base.scheme);
    }
    t
}

/// Section 5.2.3.
fn merge(base: &Components, path: &str) -> String {
    if base.authority.is_some() && base.path.is_empty() {
        return format!("/{path}");
    }
    let mut merged = base.path.clone();
    while !merged.is_empty() && !merged.ends_with('/') {
        merged.pop();
    }
    merged + path
}

/// Section 5.2.4: an input buffer, an output buffer, and steps A to E.
fn remove_dot_segments(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if input.starts_with("../") {
            input.drain(..3); // A
        } else if input.starts_with("./") {
            input.drain(..2);
        } else if input.starts_with("/./") {
            input.drain(..2); // B
        } else if input == "/." {
            input = "/".to_owned();
        } else if input.starts_with("/../") {
            input.drain(..3); // C
            remove_last_segment(&mut output);
        } else if input == "/.." {
            input = "/".to_owned();
            remove_last_segment(&mut output);
        } else if input == "." || input == ".." {
            input.clear(); // D
        } else {
            let end = input[1..].find('/').map_or(input.len(), |slash| slash + 1); // E
            output.extend(input.drain(..end));
        }
    }
    output
}

/// "the last segment and its preceding "/" (if any)".
fn remove_last_segment(output: &mut String) {
    while let Some(last) = output.pop() {
        if last == '/' {
            break;
        }
    }
}

/// Section 5.3.
fn recomposed(t: &Components) -> String {
    let mut result = String::new();
    if let Some(scheme) = &t.scheme {
        result += scheme;
        result += ":";
    }
    if let Some(authority) = &t.authority {
        result += "//";
        result += authority;
    }
    result += &t.path;
    if let Some(query) = &t.query {
        result += "?";
        result += query;
    }
    result
}
