use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What a scheme keeps of a protection space, for all its exchanges there: Digest its nonce and
/// how often it was used, for example. Clones are one.
#[derive(Clone, Default)]
pub struct Knowledge(Arc<Mutex<Option<Arc<dyn Any + Send + Sync>>>>);

impl Knowledge {
    /// Returns what is kept, of a scheme's own type; it is made when it is first asked for.
    pub fn of<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.as_ref().and_then(|known| Arc::clone(known).downcast().ok()) {
            return known;
        }
        let known = Arc::new(T::default());
        *kept = Some(Arc::clone(&known) as _);
        known
    }
}

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Knowledge(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_one_and_print_nothing_of_what_is_kept() {
        let knowledge = Knowledge::default();
        *knowledge.of::<Mutex<String>>().lock().expect("no other thread") = "a nonce".to_owned();
        assert_eq!(*knowledge.clone().of::<Mutex<String>>().lock().expect("no other thread"), "a nonce");
        assert_eq!(format!("{knowledge:?}"), "Knowledge(..)");
        // Of another scheme's type nothing is known.
        assert_eq!(*knowledge.of::<u8>(), 0);
    }
}
