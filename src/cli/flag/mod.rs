//! The values of flags, parsed as upstream (spec server-cli 1.4, 8.8).

mod bool;
mod certificates;
mod credential;
mod map;
mod or_selector;
mod selector;
mod string_array;

pub use bool::{OptionalBool, go_bool};
pub use certificates::certificates;
pub use credential::credential;
pub use map::{ColonMap, Map, RepeatedKey, collected, merged};
pub use or_selector::OrSelector;
pub use selector::Selector;
pub use string_array::StringArray;
