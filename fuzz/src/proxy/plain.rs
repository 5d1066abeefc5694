//! A plain reader of a proxy's URI: all characters first, and positions among them.

use legwork::Origin;
use legwork::client::proxy::InvalidProxy;
use legwork::protection_space::InvalidOrigin;

/// The origin, and the user and the password if there is a userinfo.
pub(super) type Read = (Origin, Option<(String, String)>);

pub(super) fn read(text: &str) -> Result<Read, InvalidProxy> {
    let all: Vec<char> = text.chars().collect();
    if all.iter().any(|&character| character <= ' ' || character == '\u{7f}') {
        return Err(InvalidProxy::Character);
    }

    let name = all
        .iter()
        .take_while(|&&character| matches!(character, 'a'..='z' | 'A'..='Z' | '0'..='9' | '+' | '-' | '.'));
    let colon = name.count();
    let has_scheme = all[colon..].starts_with(&[':', '/', '/']);
    let (scheme, rest) =
        if has_scheme { (&all[..colon], &all[colon + 3..]) } else { (&['h', 't', 't', 'p'][..], &all[..]) };
    let scheme = scheme.iter().collect::<String>().to_ascii_lowercase();
    match scheme.strip_prefix("socks") {
        Some("" | "4" | "4a" | "5" | "5h") => return Err(InvalidProxy::Socks),
        _ if scheme != "http" && scheme != "https" => return Err(InvalidProxy::Uri),
        _ => {}
    }

    let delimiter = rest.iter().position(|character| "/?#".contains(*character));
    let end = delimiter.unwrap_or(rest.len());
    if !has_scheme && (rest[end..].starts_with(&['/', '/']) || (end > 0 && rest[end - 1] == ':')) {
        return Err(InvalidProxy::Uri);
    }
    let last_at = rest.iter().rposition(|&character| character == '@');
    let (userinfo, host) = match last_at {
        Some(at) if at > end => return Err(InvalidProxy::Delimiter),
        Some(at) => (Some(&rest[..at]), &rest[at + 1..end]),
        None => (None, &rest[..end]),
    };

    let origin = format!("{scheme}://{}", host.iter().collect::<String>()).parse::<Origin>();
    let origin = origin.map_err(|error| match error {
        InvalidOrigin::Uri => InvalidProxy::Uri,
        other => InvalidProxy::Origin(other),
    })?;
    let Some(userinfo) = userinfo else { return Ok((origin, None)) };
    let colon = userinfo.iter().position(|&character| character == ':').unwrap_or(userinfo.len());
    let password = decoded(userinfo.get(colon + 1..).unwrap_or_default());
    match (decoded(&userinfo[..colon]), password) {
        (Some(username), Some(password)) => Ok((origin, Some((username, password)))),
        _ => Err(InvalidProxy::Encoding),
    }
}

/// Every `%` with two digits behind it replaced, if a text without control characters comes of it.
fn decoded(characters: &[char]) -> Option<String> {
    let mut octets = Vec::new();
    let mut at = 0;
    while at < characters.len() {
        let digit = |ahead: usize| characters.get(at + ahead)?.to_digit(16);
        match (characters[at], digit(1), digit(2)) {
            ('%', Some(high), Some(low)) => {
                octets.push(u8::try_from(high * 16 + low).expect("two digits"));
                at += 3;
            }
            (character, ..) => {
                octets.extend(character.to_string().into_bytes());
                at += 1;
            }
        }
    }
    String::from_utf8(octets)
        .ok()
        .filter(|text| !text.contains(|character| character < ' ' || character == '\u{7f}'))
}
