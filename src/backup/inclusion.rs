//! Whether an object that was found is saved (spec backup 9.1).

use super::types::{KnownType, Type};
use crate::cluster::raw::Head;
use crate::select::namespaces::NamespaceFilter;

/// The label that excludes an object from every backup.
const EXCLUDE_LABEL: &str = "velero.io/exclude-from-backup";

/// Why an object is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PassedOver {
    /// It has the label.
    Label,
    /// Its namespace is not part of the backup.
    Namespace,
    /// Its type is not part of the backup.
    Type,
    /// It is being deleted.
    Deleting,
    /// An action excluded it.
    Action,
}

impl PassedOver {
    /// The text in the log.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Label => "Excluding item because it has label velero.io/exclude-from-backup=true",
            Self::Namespace => "Excluding item because namespace is excluded",
            Self::Type => "Excluding item because resource is excluded",
            Self::Deleting => "Skipping item because it's being deleted.",
            Self::Action => "Skipping item because an action asked for it",
        }
    }
}

/// Checks an object of a list or an action. `must`: an action requires it; then it is skipped only if it is being deleted.
pub(super) fn check_object(
    head: &Head,
    type_: &Type,
    namespaces: &NamespaceFilter,
    must: bool,
) -> Result<(), PassedOver> {
    if !must {
        if head.labels.get(EXCLUDE_LABEL).is_some_and(|value| value == "true") {
            return Err(PassedOver::Label);
        }
        check_type(type_, head.namespace.as_deref(), namespaces)?;
    }
    if head.deletion_timestamp.is_some() {
        return Err(PassedOver::Deleting);
    }
    Ok(())
}

/// The part of the check that needs only names.
pub(super) fn check_type(
    type_: &Type,
    namespace: Option<&str>,
    namespaces: &NamespaceFilter,
) -> Result<(), PassedOver> {
    match namespace {
        Some(namespace) if !namespaces.includes(namespace) => Err(PassedOver::Namespace),
        Some(_) if !type_.included => Err(PassedOver::Type),
        None if type_.known != KnownType::Namespace && type_.excluded => Err(PassedOver::Type),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::discovery::Resource;

    fn type_of(plural: &str, namespaced: bool, included: bool, excluded: bool) -> Type {
        let resource = Resource {
            plural: plural.to_owned(),
            namespaced,
            ..Resource::default()
        };
        Type {
            group_resource: resource.group_resource(),
            resource,
            name: plural.into(),
            version: "v1".into(),
            preferred: true,
            included,
            excluded,
            actions: Vec::new(),
            known: if plural == "namespaces" {
                KnownType::Namespace
            } else {
                KnownType::Other
            },
        }
    }

    fn head(namespace: Option<&str>, labelled: bool, deleting: bool) -> Head {
        let mut head = Head {
            namespace: namespace.map(str::to_owned),
            name: "x".to_owned(),
            ..Head::default()
        };
        if labelled {
            head.labels.insert(EXCLUDE_LABEL.to_owned(), "true".to_owned());
        }
        head.deletion_timestamp = deleting.then(|| "2026-11-24T01:02:03Z".to_owned());
        head
    }

    #[test]
    fn the_rules_apply_in_their_order() {
        let namespaces = NamespaceFilter::new(&["in".to_owned()], &[]);
        let (pods, nodes) = (type_of("pods", true, true, false), type_of("nodes", false, false, true));
        let (hidden, volumes) = (
            type_of("pods", true, false, true),
            type_of("volumes", false, false, false),
        );
        let own = type_of("namespaces", false, true, true);
        let cases = [
            ("a plain one", head(Some("in"), false, false), &pods, Ok(())),
            ("labelled", head(Some("in"), true, true), &pods, Err(PassedOver::Label)),
            (
                "elsewhere",
                head(Some("out"), false, false),
                &pods,
                Err(PassedOver::Namespace),
            ),
            (
                "of a type left out",
                head(Some("in"), false, false),
                &hidden,
                Err(PassedOver::Type),
            ),
            (
                "cluster-scoped and put out",
                head(None, false, false),
                &nodes,
                Err(PassedOver::Type),
            ),
            ("cluster-scoped and related", head(None, false, false), &volumes, Ok(())),
            (
                "a namespace is not put out by its type",
                head(None, false, false),
                &own,
                Ok(()),
            ),
            (
                "being deleted",
                head(Some("in"), false, true),
                &pods,
                Err(PassedOver::Deleting),
            ),
        ];
        for (what, head, type_, expected) in cases {
            assert_eq!(check_object(&head, type_, &namespaces, false), expected, "{what}");
        }
    }

    #[test]
    fn a_required_item_is_saved_unless_it_is_being_deleted() {
        let namespaces = NamespaceFilter::new(&["in".to_owned()], &[]);
        let hidden = type_of("pods", true, false, true);
        assert_eq!(
            check_object(&head(Some("out"), true, false), &hidden, &namespaces, true),
            Ok(())
        );
        let deleting = check_object(&head(Some("out"), true, true), &hidden, &namespaces, true);
        assert_eq!(deleting, Err(PassedOver::Deleting));
    }

    #[test]
    fn another_value_of_the_label_means_nothing() {
        let mut head = head(Some("in"), false, false);
        head.labels.insert(EXCLUDE_LABEL.to_owned(), "yes".to_owned());
        let checked = check_object(
            &head,
            &type_of("pods", true, true, false),
            &NamespaceFilter::new(&[], &[]),
            false,
        );
        assert_eq!(checked, Ok(()));
    }
}
