//! The fields of a request.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::advice::Advice;
use crate::exit::Exit;

/// What the user says of a field.
enum Said {
    Send(HeaderName, HeaderValue),
    LeaveOut(HeaderName),
}

/// The fields of a request: ours, unless the user says something else of one.
///
/// # Errors
///
/// If one cannot be read or sent.
pub(super) fn fields(ours: &[(HeaderName, &'static str)], said: &[String]) -> Result<HeaderMap, Advice> {
    let said: Vec<_> = said.iter().map(|field| parse(field)).collect::<Result<_, _>>()?;
    let mut fields = HeaderMap::new();
    for (name, value) in ours {
        fields.insert(name, HeaderValue::from_static(value));
    }
    for Said::Send(name, _) | Said::LeaveOut(name) in &said {
        fields.remove(name);
    }
    for field in said {
        if let Said::Send(name, value) = field {
            fields.append(name, value);
        }
    }
    Ok(fields)
}

fn parse(field: &str) -> Result<Said, Advice> {
    // Without the field, which may have a secret in it.
    let misuse = |why: String| Advice::new(Exit::Usage, why, "Write it as `Name: value`.");
    let (name, value, is_kept) = match (field.split_once(':'), field.strip_suffix(';')) {
        (Some((name, value)), _) => (name, value.trim(), !value.trim().is_empty()),
        (None, Some(name)) => (name, "", true),
        (None, None) => return Err(misuse("-H: there is no colon in the field".to_owned())),
    };
    let Ok(name) = HeaderName::from_bytes(name.trim_end().as_bytes()) else {
        return Err(misuse("-H: what stands before the colon is no name of a field".to_owned()));
    };
    if matches!(name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING) {
        let wrong = format!("-H: {name} is set by what is sent");
        return Err(Advice::new(Exit::Usage, wrong, "Leave it out."));
    }
    if !is_kept {
        return Ok(Said::LeaveOut(name));
    }
    let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) else {
        return Err(misuse(format!("-H: the value of {name} has a control character in it")));
    };
    value.set_sensitive(matches!(name, header::AUTHORIZATION | header::PROXY_AUTHORIZATION | header::COOKIE));
    Ok(Said::Send(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [(HeaderName, &str); 2] = [(header::ACCEPT, "*/*"), (header::USER_AGENT, "legwork")];

    fn of(said: &[&str]) -> Vec<(String, String)> {
        let said: Vec<_> = said.iter().map(|field| (*field).to_owned()).collect();
        let fields = fields(&OURS, &said).expect("fields");
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_users_fields_take_the_place_of_ours() {
        assert_eq!(of(&[]), [pair("accept", "*/*"), pair("user-agent", "legwork")]);
        assert_eq!(
            of(&["Accept: text/html", "accept:image/png", "User-Agent:", "X-Empty;"]),
            [pair("accept", "text/html"), pair("accept", "image/png"), pair("x-empty", "")]
        );
        assert_eq!(of(&["X: a:b; c", "User-Agent:  "])[1], pair("x", "a:b; c"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_its_value() {
        for field in
            ["secret", ": secret", "a b: secret", "X: sec\nret", "Content-Length: 1", "transfer-encoding: x"]
        {
            let advice = fields(&OURS, &[field.to_owned()]).expect_err(field);
            assert_eq!(advice.exit, Exit::Usage, "{field}");
            assert!(!advice.to_string().contains("secret"), "{advice}");
        }
    }
}
