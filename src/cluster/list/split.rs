//! Cuts the JSON of a list into its items while it arrives.
//!
//! A page may have thousands of items; parsed as a whole it would cost many times its size. The splitter keeps only the
//! item that is not complete yet, and the text around the items: the list's own metadata, before or after them (Go
//! writes them before the items of built-in kinds and after those of custom resources).

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Deserialize;

/// The most bytes around the items. Metadata of a list are a few hundred.
const MAX_ENVELOPE: usize = 1 << 20;

/// The largest item that is kept. etcd refuses objects of 1.5 MiB; aggregated servers may have larger ones, but an archive
/// member may have no more than a quarter of this (decision 21).
const MAX_ITEM: usize = 64 << 20;

/// One element of `items`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// Its bytes as they came. Their syntax was not checked beyond brackets and quotes.
    Whole(Bytes),
    /// An item of so many bytes, which is too large to be kept.
    TooLarge(u64),
}

/// A page that cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SplitError {
    /// It broke off before its end.
    CutOff,
    /// It is something else, for this reason.
    NotAList(String),
}

/// The metadata of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    /// The token of the next page; empty on the last one.
    #[serde(rename = "continue", deserialize_with = "null_as_default")]
    pub continue_token: String,
    /// Items on the pages to come, where the server knows.
    pub remaining_item_count: Option<u64>,
}

/// Cuts one page. Feed it chunks cut anywhere, take the elements after each, finish it after the last.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    place: Place,
    text: Text,
    /// Open brackets and braces; inside an item those of the item.
    depth: usize,
    /// The list without its items.
    envelope: Vec<u8>,
    /// The last string at the top level, quotes included: a key, if a colon follows.
    last_string: Vec<u8>,
    saw_items: bool,
    item: Vec<u8>,
    item_length: u64,
    ready: VecDeque<Element>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Around the items.
    #[default]
    Envelope,
    /// After the colon of the key `items`.
    BeforeItems,
    /// Inside the array, between two items.
    BetweenItems,
    /// Inside an item.
    Item,
}

/// Whether a byte is text, and so means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl Splitter {
    /// Takes the next bytes of the page.
    ///
    /// # Errors
    /// The text around the items is too large for a list.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Result<(), SplitError> {
        let mut rest = chunk;
        while let Some(first) = rest.first() {
            let taken = match self.place {
                Place::Envelope => self.envelope(rest)?,
                Place::Item => self.item(rest),
                Place::BeforeItems if first.is_ascii_whitespace() => 1,
                Place::BeforeItems if *first == b'[' => {
                    self.envelope.push(b'[');
                    self.place = Place::BetweenItems;
                    1
                }
                // `null`, which Go writes for no items.
                Place::BeforeItems => {
                    self.place = Place::Envelope;
                    0
                }
                Place::BetweenItems if first.is_ascii_whitespace() || *first == b',' => 1,
                Place::BetweenItems if *first == b']' => {
                    self.envelope.push(b']');
                    self.place = Place::Envelope;
                    self.depth = 1;
                    1
                }
                Place::BetweenItems => {
                    self.place = Place::Item;
                    self.depth = 0;
                    0
                }
            };
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// The next element that is complete.
    pub(super) fn next(&mut self) -> Option<Element> {
        self.ready.pop_front()
    }

    /// The page has ended: its metadata.
    ///
    /// # Errors
    /// It was not a list, or not a complete one.
    pub(super) fn finish(self) -> Result<ListMeta, SplitError> {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(default, deserialize_with = "null_as_default")]
            metadata: ListMeta,
        }
        if self.place != Place::Envelope {
            return Err(SplitError::CutOff);
        }
        let envelope: Envelope = serde_json::from_slice(&self.envelope).map_err(|e| {
            if e.is_eof() {
                SplitError::CutOff
            } else {
                SplitError::NotAList(e.to_string())
            }
        })?;
        if self.saw_items {
            Ok(envelope.metadata)
        } else {
            Err(SplitError::NotAList("it has no items".to_owned()))
        }
    }

    /// Takes bytes up to the key `items`, or all.
    fn envelope(&mut self, bytes: &[u8]) -> Result<usize, SplitError> {
        let mut taken = 0;
        for byte in bytes {
            taken += 1;
            let was = self.text;
            self.text = was.after(*byte);
            let structural = was == Text::Outside && self.text == Text::Outside;
            if self.depth == 1 && !structural {
                if was == Text::Outside {
                    self.last_string.clear();
                }
                self.last_string.push(*byte);
            }
            match byte {
                b'{' | b'[' if structural => self.depth += 1,
                b'}' | b']' if structural => self.depth = self.depth.saturating_sub(1),
                b':' if structural && self.depth == 1 && self.key_is_items() => {
                    self.saw_items = true;
                    self.place = Place::BeforeItems;
                    break;
                }
                _ => {}
            }
        }
        if self.envelope.len() + taken > MAX_ENVELOPE {
            let reason = format!("it has more than {MAX_ENVELOPE} bytes around its items");
            return Err(SplitError::NotAList(reason));
        }
        self.envelope.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn key_is_items(&self) -> bool {
        self.last_string == br#""items""#
            || (self.last_string.contains(&b'\\')
                && serde_json::from_slice::<String>(&self.last_string).is_ok_and(|key| key == "items"))
    }

    /// Takes bytes up to the end of the item, or all.
    fn item(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            let was = self.text;
            // Most bytes are text; those that end nothing are skipped at once.
            if was == Text::Inside && byte != b'"' && byte != b'\\' {
                at += bytes[at..]
                    .iter()
                    .position(|b| matches!(b, b'"' | b'\\'))
                    .unwrap_or(bytes.len() - at);
                continue;
            }
            self.text = was.after(byte);
            if was == Text::Outside {
                match byte {
                    b'{' | b'[' => self.depth += 1,
                    // A number or word ends before what follows it.
                    b',' | b']' if self.depth == 0 => return self.end_item(bytes, at),
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return self.end_item(bytes, at + 1);
                        }
                    }
                    _ if byte.is_ascii_whitespace() && self.depth == 0 => return self.end_item(bytes, at),
                    _ => {}
                }
            }
            at += 1;
        }
        self.keep(bytes);
        bytes.len()
    }

    fn end_item(&mut self, bytes: &[u8], end: usize) -> usize {
        self.keep(&bytes[..end]);
        let item = std::mem::take(&mut self.item);
        let length = std::mem::take(&mut self.item_length);
        let whole = item.len() as u64 == length;
        self.ready.push_back(if whole {
            Element::Whole(Bytes::from(item.into_boxed_slice()))
        } else {
            Element::TooLarge(length)
        });
        self.place = Place::BetweenItems;
        end
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.item_length += bytes.len() as u64;
        if self.item_length > MAX_ITEM as u64 {
            self.item = Vec::new();
        } else {
            self.item.extend_from_slice(bytes);
        }
    }
}

impl Text {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Outside, b'"') => Self::Inside,
            (Self::Inside, b'"') | (Self::Outside, _) => Self::Outside,
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside | Self::Escaped, _) => Self::Inside,
        }
    }
}

fn null_as_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(de: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(de)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn split(chunks: &[&[u8]]) -> (Vec<Element>, Result<ListMeta, SplitError>) {
        let mut splitter = Splitter::default();
        let mut elements = Vec::new();
        for chunk in chunks {
            if let Err(error) = splitter.feed(chunk) {
                return (elements, Err(error));
            }
            elements.extend(std::iter::from_fn(|| splitter.next()));
        }
        (elements, splitter.finish())
    }

    fn text(element: &Element) -> &str {
        match element {
            Element::Whole(bytes) => std::str::from_utf8(bytes).unwrap(),
            Element::TooLarge(_) => "too large",
        }
    }

    fn texts(elements: &[Element]) -> Vec<&str> {
        elements.iter().map(text).collect()
    }

    #[test]
    fn items_keep_their_bytes_and_metadata_is_read_on_both_sides() {
        let items = r#""items": [ {"a":"]}\"{","b":[{}]} ,{"items":[1]},{}]"#;
        let meta = r#""metadata":{"resourceVersion":"7","continue":"t","remainingItemCount":9}"#;
        for text in [
            format!(r#"{{"kind":"PodList","apiVersion":"v1",{meta},{items}}}"#),
            format!(r#"{{"apiVersion":"v1",{items},"kind":"PodList",{meta}}}"#),
            format!(" {{ {items} \n, {meta} }} \n"),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
                let (elements, end) = split(&chunks);
                assert_eq!(
                    texts(&elements),
                    [r#"{"a":"]}\"{","b":[{}]}"#, r#"{"items":[1]}"#, "{}"],
                    "{text} by {size}"
                );
                let expected = ListMeta {
                    continue_token: "t".into(),
                    remaining_item_count: Some(9),
                };
                assert_eq!(end, Ok(expected), "{text} by {size}");
            }
        }
    }

    #[test]
    fn lists_without_items_are_lists() {
        for text in [
            r#"{"items":[]}"#,
            r#"{"items":null,"metadata":null}"#,
            r#"{"metadata":{"continue":null},"items" : [ ] }"#,
        ] {
            assert_eq!(split(&[text.as_bytes()]), (vec![], Ok(ListMeta::default())), "{text}");
        }
    }

    #[test]
    fn only_the_lists_own_items_count() {
        let text = br#"{"metadata":{"items":[1,2]},"x":"items","y":{"items":[3]},"items":[4]}"#;
        assert_eq!(texts(&split(&[text]).0), ["4"]);
        let escaped = br#"{"\u0069tems":[1]}"#;
        assert_eq!(texts(&split(&[escaped]).0), ["1"]);
    }

    #[test]
    fn an_incomplete_list_is_refused() {
        for (text, reason) in [
            (r#"{"items":[{"a":1}"#, "CutOff"),
            (r#"{"items":[{"a":"#, "CutOff"),
            (r#"{"items":"#, "CutOff"),
            (r#"{"items":[]"#, "CutOff"),
            ("", "CutOff"),
            (r#"{"kind":"Status"}"#, "no items"),
            ("<html>", "expected value"),
            (r#"{"items":[]}}"#, "trailing"),
            (r#"{"items":[],"metadata":7}"#, "invalid type"),
        ] {
            let error = format!("{:?}", split(&[text.as_bytes()]).1.unwrap_err());
            assert!(error.contains(reason), "{text}: {error}");
        }
        let (_, end) = split(&[&vec![b'x'; MAX_ENVELOPE], b"y"]);
        assert!(matches!(end, Err(SplitError::NotAList(reason)) if reason.contains("bytes around its items")));
    }

    #[test]
    fn an_item_that_is_too_large_does_not_affect_the_others() {
        let part = vec![b'x'; 1 << 20];
        let mut chunks: Vec<&[u8]> = vec![br#"{"items":[{"a":1},""#];
        chunks.extend(std::iter::repeat_n(part.as_slice(), 65));
        chunks.push(br#"",{"b":2}]}"#);
        let (elements, end) = split(&chunks);
        assert_eq!(elements[1], Element::TooLarge((65 << 20) + 2));
        assert_eq!(texts(&elements), [r#"{"a":1}"#, "too large", r#"{"b":2}"#]);
        assert!(end.is_ok());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[{}\\[\\]\",:\\\\a \n]{0,10}",
            any::<String>(),
            Just("items".to_owned())
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..5).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_list_cut_anywhere_gives_the_items_serde_finds(
            items in prop::collection::vec(any_json(), 0..6),
            around in prop::collection::btree_map("[a-z\"\\\\]{1,8}", any_json(), 0..4),
            token in "[a-z]{0,5}",
            pretty in any::<bool>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut list: Value = around.into_iter().collect::<serde_json::Map<_, _>>().into();
            list["items"] = json!(items);
            list["metadata"] = json!({"continue": token, "managedBy": {"items": [1]}});
            let text = if pretty { serde_json::to_string_pretty(&list) } else { serde_json::to_string(&list) }.unwrap();
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();

            let (elements, end) = split(&chunks);
            let found: Vec<Value> = texts(&elements).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(&json!(found), &list["items"]);
            prop_assert_eq!(end.unwrap().continue_token, token);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'{'), Just(b'['), Just(b']')], 0..64)) {
            let _ = split(&[br#"{"items":["#, &bytes]);
            let _ = split(&[&bytes]);
        }
    }
}
