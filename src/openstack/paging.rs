//! Reading a list page by page, with an end: a proxy that drops the marker would begin anew for ever.

use std::collections::BTreeSet;

/// The most pages of a list. Ample for a thousand nodes even where an operator allows 10 a page.
const MAX_PAGES: usize = 200;

/// The pages of a list that were read.
#[derive(Debug)]
pub(super) struct Pages {
    markers: BTreeSet<String>,
}

impl Pages {
    pub(super) const fn new() -> Self {
        Self { markers: BTreeSet::new() }
    }

    /// The marker to read the next page with; none at the list's end. `last` is the id of the page's last record.
    ///
    /// # Errors
    /// When the list does not end, or cannot be read on.
    pub(super) fn next(&mut self, more: bool, last: Option<String>) -> Result<Option<String>, String> {
        if !more {
            return Ok(None);
        }
        let Some(last) = last else {
            return Err("there is a next page, and this one has no last record to go on from".to_owned());
        };
        if self.markers.len() + 1 >= MAX_PAGES {
            return Err(format!("the list has not ended after {MAX_PAGES} pages"));
        }
        if !self.markers.insert(last.clone()) {
            return Err("the list begins anew instead of ending; is its marker lost on the way?".to_owned());
        }
        Ok(Some(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_or_is_an_error() {
        let last = |id: &str| Some(id.to_owned());
        let mut pages = Pages::new();
        assert_eq!(pages.next(true, last("a")), Ok(last("a")));
        assert_eq!(pages.next(true, last("b")), Ok(last("b")));
        assert_eq!(pages.next(false, last("c")), Ok(None));
        assert!(pages.next(true, last("a")).unwrap_err().contains("begins anew"));
        assert!(pages.next(true, None).unwrap_err().contains("no last record"));
        let mut endless = Pages::new();
        let ended = (1..).find(|page| endless.next(true, Some(page.to_string())).is_err());
        assert_eq!(ended, Some(MAX_PAGES));
    }
}
