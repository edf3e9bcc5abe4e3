//! Values that are checked while they are read, so that an error names their line.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads and checks a text. The check runs within the visit, so that an error names its line.
pub(super) fn word<'de, D, T>(deserializer: D, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Word<F>(F);
    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Word<F> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Word(read))
}

/// Reads a mapping and checks it as a whole. The check runs within the visit, so that an error names the line where the
/// mapping begins.
pub(super) fn checked<'de, D, T>(deserializer: D, check: impl FnOnce(&T) -> Result<(), String>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Whole<T, F>(F, std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnOnce(&T) -> Result<(), String>> Visitor<'de> for Whole<T, F> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a mapping")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            let value = T::deserialize(MapAccessDeserializer::new(map))?;
            (self.0)(&value).map_err(A::Error::custom)?;
            Ok(value)
        }
    }
    deserializer.deserialize_map(Whole(check, std::marker::PhantomData))
}
