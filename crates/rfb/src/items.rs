//! Items of known length, gathered from chunks of any size.

/// The part of one item that has arrived. It never takes a byte of the next item.
#[derive(Debug, Default)]
pub(crate) struct ItemBuffer {
    pending: Vec<u8>,
}

impl ItemBuffer {
    /// Moves bytes from the front of `input` until `need` of them are present. Returns the item
    /// once it is whole.
    ///
    /// The caller has compared `need` with its limit.
    pub(crate) fn fill(&mut self, input: &mut &[u8], need: usize) -> Option<Vec<u8>> {
        let missing = need.saturating_sub(self.pending.len()).min(input.len());
        if let Some((taken, rest)) = input.split_at_checked(missing) {
            self.pending.extend_from_slice(taken);
            *input = rest;
        }
        (self.pending.len() >= need).then(|| std::mem::take(&mut self.pending))
    }

    /// The part of an unfinished item that has arrived.
    pub(crate) fn partial(&self) -> &[u8] {
        &self.pending
    }
}

#[cfg(test)]
mod tests {
    use super::ItemBuffer;

    #[test]
    fn an_item_is_gathered_and_the_next_is_left() {
        let mut items = ItemBuffer::default();
        let mut input: &[u8] = b"ab";
        assert_eq!(items.fill(&mut input, 3), None);
        assert!(input.is_empty());
        let mut input: &[u8] = b"cde";
        assert_eq!(items.fill(&mut input, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(input, b"de");
        assert!(items.partial().is_empty());
    }
}
