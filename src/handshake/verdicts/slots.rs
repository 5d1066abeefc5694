//! Values in numbered places.

use std::ops::{Index, IndexMut};

/// Values in numbered places, which are found without a hash. A place that has become free is used again:
/// anyone who remembers its number has to see whether it still holds the same value.
#[derive(Clone, Debug)]
pub(super) struct Slots<T> {
    values: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, value: T) -> usize {
        if let Some(at) = self.free.pop() {
            self.values[at] = Some(value);
            return at;
        }
        self.values.push(Some(value));
        self.values.len() - 1
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<T> {
        let value = self.values.get_mut(at)?.take()?;
        self.free.push(at);
        Some(value)
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.values.get(at)?.as_ref()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { values: Vec::new(), free: Vec::new() }
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        self.values[at].as_ref().expect("the place is taken")
    }
}

impl<T> IndexMut<usize> for Slots<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        self.values[at].as_mut().expect("the place is taken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_free_is_used_again() {
        let mut slots = Slots::default();
        assert_eq!([slots.insert("a"), slots.insert("b"), slots.insert("c")], [0, 1, 2]);
        assert_eq!((slots.remove(1), slots.remove(1), slots.get(1)), (Some("b"), None, None));
        assert_eq!((slots.insert("d"), slots.insert("e")), (1, 3));
        assert_eq!((slots[1], slots.get(3), slots.get(4)), ("d", Some(&"e"), None));
        assert_eq!(slots.len(), 4);
        assert_eq!((slots.remove(0), slots.len()), (Some("a"), 3));
    }
}
