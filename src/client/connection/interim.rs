//! Interim responses, as reported by hyper.

use http::{Extensions, Request, StatusCode};

use crate::service::Expectation;

/// Has hyper fulfil the expectation when `100 Continue` comes. Tells whether it does: a caller who has
/// hyper tell of interim responses keeps that, since there is one such callback for a request.
pub(in crate::client) fn fulfil_by_continue(extensions: &mut Extensions, expectation: Expectation) -> bool {
    // The callback's type cannot be named, nor asked for.
    let mut request = Request::new(());
    *request.extensions_mut() = extensions.clone();
    hyper::ext::on_informational(&mut request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            expectation.fulfil();
        }
    });
    let is_first = request.extensions().len() > extensions.len();
    if is_first {
        *extensions = std::mem::take(request.extensions_mut());
    }
    is_first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_of_the_callers_stays() {
        let mut extensions = Extensions::new();
        extensions.insert(7_u8);
        assert!(fulfil_by_continue(&mut extensions, Expectation::new()));
        assert_eq!((extensions.get::<u8>(), extensions.len()), (Some(&7), 2));
        assert!(!fulfil_by_continue(&mut extensions, Expectation::new()));
        assert_eq!(extensions.len(), 2);
    }
}
