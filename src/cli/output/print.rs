//! `-o`, `--label-columns` and `--show-labels`: printing objects (spec server-cli 8.2).

use serde::Serialize;

use super::View;
use super::columns::{Columns, row};
use super::table::{self, LabelColumns};
use crate::api::go_json;
use crate::cli::flag::{StringArray, go_bool};
use crate::cluster::yaml::{self, YamlError};

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table.
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Objects that cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// `-o` has an unknown format.
    #[error("invalid output format {0:?} - valid values are 'table', 'json', and 'yaml'")]
    Format(String),
    /// An object has no JSON form.
    #[error("print an object: {0}")]
    Json(#[from] serde_json::Error),
    /// An object has no YAML form.
    #[error("print an object: {0}")]
    Yaml(#[from] YamlError),
}

/// The flags of the output.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OutputArgs {
    /// Output display format. For create commands, display the object but do not send it to the server. Valid formats are
    /// 'table', 'json', and 'yaml'. 'table' is not valid for the install command.
    #[arg(short, long)]
    output: Option<String>,
    /// Accepts a comma separated list of labels that are going to be presented as columns. Names are case-sensitive.
    #[arg(short = 'L', long, action = clap::ArgAction::Append)]
    label_columns: Vec<StringArray>,
    /// Show labels in the last column.
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true",
          value_parser = go_bool, action = clap::ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    show_labels: bool,
}

impl OutputArgs {
    /// The format of `-o`, if it is set.
    pub fn format(&self) -> Result<Option<Format>, PrintError> {
        match self.output.as_deref() {
            None | Some("") => Ok(None),
            Some("table") => Ok(Some(Format::Table)),
            Some("json") => Ok(Some(Format::Json)),
            Some("yaml") => Ok(Some(Format::Yaml)),
            Some(other) => Err(PrintError::Format(other.to_owned())),
        }
    }

    fn labels(&self) -> LabelColumns {
        LabelColumns {
            all: self.show_labels,
            named: StringArray::all(&self.label_columns),
        }
    }
}

/// A list of objects of one kind.
#[derive(Clone, Debug, Default)]
pub struct Listing<K> {
    /// The objects.
    pub items: Vec<K>,
    /// The resource version of the list, if it has one.
    pub resource_version: Option<String>,
}

/// One object in a format. The text ends as upstream's.
pub fn object<K: Columns>(object: &K, format: Format, args: &OutputArgs, view: &View) -> Result<String, PrintError> {
    match format {
        Format::Table => Ok(table::render(K::HEADERS, &[row(object, view)], &args.labels())),
        Format::Json => json(object),
        Format::Yaml => yaml(object),
    }
}

/// A list in a format. Except in tables, a list of one object is printed as the object.
pub fn list<K: Columns>(
    listing: Listing<K>,
    format: Format,
    args: &OutputArgs,
    view: &View,
) -> Result<String, PrintError> {
    let Listing {
        mut items,
        resource_version,
    } = listing;
    if format == Format::Table {
        K::sort(&mut items);
        let rows: Vec<table::Row> = items.iter().map(|item| row(item, view)).collect();
        return Ok(table::render(K::HEADERS, &rows, &args.labels()));
    }
    if let [only] = items.as_slice() {
        return object(only, format, args, view);
    }
    let list = List {
        kind: format!("{}List", K::kind(&())),
        api_version: K::api_version(&()).into_owned(),
        metadata: ListMetadata { resource_version },
        items,
    };
    if format == Format::Json {
        json(&list)
    } else {
        yaml(&list)
    }
}

/// A value as JSON, indented by two blanks, with a newline at the end.
pub fn json(value: &impl Serialize) -> Result<String, PrintError> {
    let mut text = String::from_utf8_lossy(&go_json::to_pretty(value)?).into_owned();
    text.push('\n');
    Ok(text)
}

/// A value as YAML, with an empty line at the end as upstream.
pub fn yaml(value: &impl Serialize) -> Result<String, PrintError> {
    let mut text = yaml::to_string(value)?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<K> {
    kind: String,
    api_version: String,
    metadata: ListMetadata,
    items: Vec<K>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::api::v1::BackupStorageLocation;

    fn view() -> View {
        View {
            now: Timestamp::UNIX_EPOCH,
            zone: TimeZone::UTC,
            colour: false,
        }
    }

    fn locations(names: &[&str]) -> Listing<BackupStorageLocation> {
        Listing {
            items: names
                .iter()
                .map(|name| BackupStorageLocation::new("velero", *name))
                .collect(),
            resource_version: Some("7".into()),
        }
    }

    #[test]
    fn only_known_formats_are_accepted() {
        let args = |text: &str| OutputArgs {
            output: Some(text.to_owned()),
            ..OutputArgs::default()
        };
        assert_eq!(args("yaml").format().unwrap(), Some(Format::Yaml));
        assert_eq!(args("").format().unwrap(), None);
        let refused = args("wide").format().unwrap_err().to_string();
        assert_eq!(
            refused,
            "invalid output format \"wide\" - valid values are 'table', 'json', and 'yaml'"
        );
    }

    #[test]
    fn a_list_of_one_object_is_printed_as_the_object() {
        let args = OutputArgs::default();
        let one = list(locations(&["a"]), Format::Json, &args, &view()).unwrap();
        assert!(
            one.starts_with("{\n  \"kind\": \"BackupStorageLocation\",\n  \"apiVersion\": \"velero.io/v1\""),
            "{one}"
        );
        let two = list(locations(&["a", "b"]), Format::Json, &args, &view()).unwrap();
        assert!(two.contains("\"kind\": \"BackupStorageLocationList\""), "{two}");
        assert!(two.contains("\"resourceVersion\": \"7\""), "{two}");
        let none = list(locations(&[]), Format::Yaml, &args, &view()).unwrap();
        assert!(none.contains("items: []\nkind: BackupStorageLocationList\n"), "{none}");
        assert_eq!(list(locations(&[]), Format::Table, &args, &view()).unwrap(), "");
    }
}
