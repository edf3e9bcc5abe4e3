//! Enumerations that are text on the wire.

/// Declares an enum of texts. A text of a newer release survives as `Other` and stays out of the schema,
/// where the known texts appear in the order of declaration.
macro_rules! text_enum {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A text this release does not know.
            Other(String),
        }

        impl $name {
            /// The texts this release knows, in the schema's order.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// The text on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::from(&*text))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": Self::KNOWN})
            }
        }
    };
}

pub(crate) use text_enum;

#[cfg(test)]
mod tests {
    use serde_json::json;

    text_enum! {
        /// A sample.
        pub enum Mood {
            /// First.
            Calm = "calm",
            /// Second.
            Cross = "CROSS",
        }
    }

    #[test]
    fn a_text_is_read_and_written_as_it_stands() {
        for (text, mood) in [
            ("calm", Mood::Calm),
            ("CROSS", Mood::Cross),
            ("cross", Mood::Other("cross".to_owned())),
            ("", Mood::Other(String::new())),
        ] {
            assert_eq!(serde_json::from_value::<Mood>(json!(text)).unwrap(), mood);
            assert_eq!(serde_json::to_value(&mood).unwrap(), json!(text));
            assert_eq!(Mood::from(text), mood);
            assert_eq!(format!("{mood:6}|"), format!("{text:6}|"));
        }
    }

    #[test]
    fn the_schema_lists_what_is_known() {
        assert_eq!(schemars::schema_for!(Mood).to_value()["enum"], json!(["calm", "CROSS"]));
    }
}
