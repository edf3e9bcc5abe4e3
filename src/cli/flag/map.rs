//! Maps of the form `key=value,key=value`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Entries `key=value` split at commas; `"key=a,b",other=c` keeps a comma in a value. The value may contain further `=`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(pub BTreeMap<String, String>);

/// The same with `key:value`, for namespace mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColonMap(pub BTreeMap<String, String>);

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, '=').map(Self)
    }
}

impl FromStr for ColonMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, ':').map(Self)
    }
}

impl From<Map> for BTreeMap<String, String> {
    fn from(map: Map) -> Self {
        map.0
    }
}

impl From<ColonMap> for BTreeMap<String, String> {
    fn from(map: ColonMap) -> Self {
        map.0
    }
}

/// A key with several values in one flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid argument for {flag:?} flag: {clash}")]
pub struct RepeatedKey {
    flag: String,
    clash: String,
}

/// The merged maps of a repeated flag.
///
/// # Errors
/// A key has two different values. Upstream silently drops the first one.
pub fn merged<M: Clone + Into<BTreeMap<String, String>>>(
    flag: &str,
    maps: &[M],
) -> Result<BTreeMap<String, String>, RepeatedKey> {
    collected(maps.iter().cloned().flat_map(Into::into)).map_err(|clash| RepeatedKey {
        flag: flag.to_owned(),
        clash,
    })
}

/// The entries as a map; an error if a key has two different values.
pub fn collected(entries: impl IntoIterator<Item = (String, String)>) -> Result<BTreeMap<String, String>, String> {
    let mut map = BTreeMap::new();
    for (key, value) in entries {
        match map.get(&key) {
            Some(first) if *first != value => {
                return Err(format!(
                    "{key:?} is given twice, with {first:?} and with {value:?}; keep one of them"
                ));
            }
            _ => map.insert(key, value),
        };
    }
    Ok(map)
}

fn parse(text: &str, separator: char) -> Result<BTreeMap<String, String>, String> {
    let pairs: Vec<(String, String)> = entries(text)?
        .into_iter()
        .map(|entry| {
            let (key, value) = entry
                .split_once(separator)
                .ok_or_else(|| format!("error parsing {entry:?}"))?;
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect::<Result<_, String>>()?;
    collected(pairs)
}

/// Splits a CSV record at its commas. A field that begins with a quote ends at the closing quote; two quotes inside it are one.
fn entries(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (field, after) =
                quoted_field(quoted).ok_or_else(|| format!("error parsing {text:?}: a quote is not closed"))?;
            fields.push(field);
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() => return Ok(fields),
                None => return Err(format!("error parsing {text:?}: text after a closing quote")),
            }
        } else if let Some((field, next)) = rest.split_once(',') {
            fields.push(field.to_owned());
            rest = next;
        } else {
            fields.push(rest.to_owned());
            return Ok(fields);
        }
    }
}

fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
        text.parse::<Map>().map(|map| map.0.into_iter().collect())
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn entries_are_split_at_the_first_separator() {
        assert_eq!(pairs("a=1,b=2=3"), Ok(owned(&[("a", "1"), ("b", "2=3")])));
        assert_eq!(pairs("a="), Ok(owned(&[("a", "")])));
        assert_eq!("src:dst".parse::<ColonMap>().unwrap().0["src"], "dst");
    }

    #[test]
    fn a_quoted_entry_keeps_its_commas() {
        assert_eq!(pairs(r#""k1=a,b",k2=v"#), Ok(owned(&[("k1", "a,b"), ("k2", "v")])));
        assert_eq!(pairs(r#""k=say ""hi""""#), Ok(owned(&[("k", r#"say "hi""#)])));
    }

    #[test]
    fn the_error_names_an_entry_without_separator() {
        assert_eq!(pairs("a=1,b"), Err(r#"error parsing "b""#.to_owned()));
        assert!(pairs(r#""a=1"#).is_err());
        assert!(pairs(r#""a=1"b"#).is_err());
    }

    #[test]
    fn repeated_flags_are_merged() {
        let maps: Vec<Map> = vec!["a=1,b=2".parse().unwrap(), "b=2,c=".parse().unwrap()];
        let want = [("a", "1"), ("b", "2"), ("c", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(merged("--labels", &maps), Ok(BTreeMap::from(want)));
    }

    #[test]
    fn a_key_with_two_values_is_refused() {
        let clash = "\"a\" is given twice, with \"1\" and with \"2\"; keep one of them";
        assert_eq!(pairs("a=1,b=1,a=2"), Err(clash.to_owned()));
        assert_eq!("a:1,a:2".parse::<ColonMap>(), Err(clash.to_owned()));
        assert_eq!(pairs("a=1,a=1"), Ok(owned(&[("a", "1")])));
        let maps: Vec<Map> = vec!["a=1".parse().unwrap(), "a=2".parse().unwrap()];
        let error = merged("--labels", &maps).unwrap_err().to_string();
        assert_eq!(error, format!("invalid argument for \"--labels\" flag: {clash}"));
    }
}
