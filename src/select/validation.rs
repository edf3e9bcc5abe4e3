//! The errors in the lists of a spec, in upstream's words and order (spec api 7.1, 7.2).

use std::collections::BTreeSet;

use super::backup::TypeLists;
use super::glob::Glob;
use super::includes::EVERYTHING;
use super::labels::{Selector, is_dns_label};
use crate::api::LabelSelector;

/// Messages about the resource lists of a backup, rows 8 and 9 of spec api 7.1.
pub fn backup_resources(lists: TypeLists<'_>) -> Vec<String> {
    let mut messages = Vec::new();
    if lists.is_old_style() && lists.has_new_style() {
        messages.push(
            "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n\
             include-cluster-scoped-resources, exclude-cluster-scoped-resources, include-namespace-scoped-resources and \
             exclude-namespace-scoped-resources are new filter parameters.\n\
             They cannot be used together"
                .to_owned(),
        );
    }
    if lists.is_old_style() {
        let mut errors = plain_lists(lists.included, lists.excluded);
        errors.extend(patterns(lists.included, lists.excluded));
        messages.extend(prefixed("Invalid included/excluded resource lists", errors));
    } else {
        let mut errors = scoped_lists(lists.included_cluster_scoped, lists.excluded_cluster_scoped);
        errors.extend(patterns(lists.included_cluster_scoped, lists.excluded_cluster_scoped));
        messages.extend(prefixed(
            "Invalid cluster-scoped included/excluded resource lists",
            errors,
        ));
        let mut errors = scoped_lists(lists.included_namespace_scoped, lists.excluded_namespace_scoped);
        errors.extend(patterns(
            lists.included_namespace_scoped,
            lists.excluded_namespace_scoped,
        ));
        messages.extend(prefixed(
            "Invalid namespace-scoped included/excluded resource lists",
            errors,
        ));
    }
    messages
}

/// Messages about the namespace lists of a backup, row 10 of spec api 7.1.
pub fn backup_namespaces(includes: &[String], excludes: &[String]) -> Vec<String> {
    let mut errors = plain_lists(includes, excludes);
    for list in [includes, excludes] {
        errors.extend(sorted(list).into_iter().filter_map(namespace_name));
    }
    prefixed("Invalid included/excluded namespace lists", errors).collect()
}

/// The message for an include-exclude policy with old filters, row 13 of spec api 7.1.
pub fn policy_with_old_filters(lists: TypeLists<'_>) -> Option<String> {
    lists.is_old_style().then(|| {
        "include-resources, exclude-resources and include-cluster-resources are old filter parameters.\n\
         They cannot be used with include-exclude policies."
            .to_owned()
    })
}

/// The message for a label selector with or-selectors; `kind` is `backup` or `restore` (spec api 7.1 row 11, 7.2 row 3).
pub fn selectors(one: bool, any: bool, kind: &str) -> Option<String> {
    (one && any).then(|| {
        format!("encountered labelSelector as well as orLabelSelectors in {kind} spec, only one can be specified")
    })
}

/// Messages about the lists of a restore, row 2 of spec api 7.2. Each pair: includes, excludes.
pub fn restore_lists(resources: (&[String], &[String]), namespaces: (&[String], &[String])) -> Vec<String> {
    let errors = |(includes, excludes): (&[String], &[String])| {
        let mut errors = plain_lists(includes, excludes);
        errors.extend(patterns(includes, excludes));
        errors
    };
    let resources = prefixed("Invalid included/excluded resource lists", errors(resources));
    let namespaces = prefixed("Invalid included/excluded namespace lists", errors(namespaces));
    resources.chain(namespaces).collect()
}

/// Messages about label selectors that the API would refuse; upstream finds them only during the run.
pub fn label_selectors(one: Option<&LabelSelector>, any: &[LabelSelector]) -> Vec<String> {
    let one = one.map(|selector| ("labelSelector".to_owned(), selector));
    let any = any
        .iter()
        .enumerate()
        .map(|(at, selector)| (format!("orLabelSelectors[{at}]"), selector));
    one.into_iter()
        .chain(any)
        .filter_map(|(field, selector)| {
            let error = Selector::new(&selector.into()).err()?;
            Some(format!("invalid spec.{field}: {error}"))
        })
        .collect()
}

/// Invalid patterns. One among the excludes would not exclude anything.
fn patterns<'a>(includes: &'a [String], excludes: &'a [String]) -> impl Iterator<Item = String> + use<'a> {
    let all = includes.iter().chain(excludes);
    all.filter_map(|entry| Glob::new(entry).err().map(|error| error.to_string()))
}

/// Rules for the lists of old filters, namespaces and restores.
pub fn plain_lists(includes: &[String], excludes: &[String]) -> Vec<String> {
    let (includes, excludes) = (sorted(includes), sorted(excludes));
    let mut errors = Vec::new();
    errors.extend(star_beside_others("includes", &includes));
    if excludes.contains(EVERYTHING) {
        errors.push("excludes list cannot contain '*'".to_owned());
    }
    errors.extend(overlap(&includes, &excludes));
    errors
}

/// Rules for the lists of new filters, which may exclude everything.
pub fn scoped_lists(includes: &[String], excludes: &[String]) -> Vec<String> {
    let (includes, excludes) = (sorted(includes), sorted(excludes));
    let mut errors = Vec::new();
    errors.extend(star_beside_others("includes", &includes));
    errors.extend(star_beside_others("excludes", &excludes));
    if !includes.is_empty() && excludes.contains(EVERYTHING) {
        errors.push("when exclude is '*', include cannot have value".to_owned());
    }
    errors.extend(overlap(&includes, &excludes));
    errors
}

fn sorted(list: &[String]) -> BTreeSet<&str> {
    list.iter().map(String::as_str).collect()
}

/// Each message once: two entries may break one rule in one way.
fn prefixed(prefix: &str, mut errors: Vec<String>) -> impl Iterator<Item = String> + use<'_> {
    let mut seen = BTreeSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    errors.into_iter().map(move |error| format!("{prefix}: {error}"))
}

fn star_beside_others(which: &str, list: &BTreeSet<&str>) -> Option<String> {
    (list.len() > 1 && list.contains(EVERYTHING))
        .then(|| format!("{which} list must either contain '*' only, or a non-empty list of items"))
}

fn overlap(includes: &BTreeSet<&str>, excludes: &BTreeSet<&str>) -> Vec<String> {
    let both = excludes.intersection(includes);
    both.map(|item| format!("excludes list cannot contain an item in the includes list: {item}"))
        .collect()
}

/// The empty string means "no namespace". Any other entry must be a valid pattern and, apart from its wildcards, a valid name.
fn namespace_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    if let Some(error) = namespace_pattern(name) {
        return Some(error.to_owned());
    }
    let plain = name.replace(['*', '?', '[', ']'], "x");
    label_error(&plain).map(|error| format!("invalid namespace {name:?}: {error}"))
}

fn namespace_pattern(pattern: &str) -> Option<&'static str> {
    if pattern.contains(['|', '(', ')', '!', '{', '}', ',']) {
        return Some("wildcard pattern contains unsupported characters: |, (, ), !, {, }, ,");
    }
    if pattern.contains("**") {
        return Some("wildcard pattern contains consecutive asterisks (only single * allowed)");
    }
    let mut rest = pattern;
    while let Some(at) = rest.find(['[', ']']) {
        let Some(inside) = rest[at..].strip_prefix('[') else {
            return Some("wildcard pattern contains unmatched closing bracket ']'");
        };
        match inside.find(']') {
            None => return Some("wildcard pattern contains unclosed bracket '['"),
            Some(0) => return Some("wildcard pattern contains empty bracket pattern '[]'"),
            Some(end) => rest = &inside[end + 1..],
        }
    }
    None
}

/// Why this is not a DNS-1123 label, in the API machinery's words.
fn label_error(name: &str) -> Option<&'static str> {
    if name.len() > 63 {
        Some("must be no more than 63 characters")
    } else if is_dns_label(name) {
        None
    } else if name.split('.').all(is_dns_label) {
        Some("must not contain dots")
    } else {
        Some(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
             with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn plain_lists_keep_the_star_alone_and_items_apart() {
        let table: [(&[&str], &[&str], &[&str]); 6] = [
            (&[], &[], &[]),
            (&["*"], &["a"], &[]),
            (
                &["*", "a"],
                &[],
                &["includes list must either contain '*' only, or a non-empty list of items"],
            ),
            (&["*", "*"], &[], &[]),
            (&[], &["*"], &["excludes list cannot contain '*'"]),
            (
                &["b", "a", "*"],
                &["*", "b", "a"],
                &[
                    "includes list must either contain '*' only, or a non-empty list of items",
                    "excludes list cannot contain '*'",
                    "excludes list cannot contain an item in the includes list: *",
                    "excludes list cannot contain an item in the includes list: a",
                    "excludes list cannot contain an item in the includes list: b",
                ],
            ),
        ];
        for (includes, excludes, expected) in table {
            assert_eq!(
                plain_lists(&owned(includes), &owned(excludes)),
                expected,
                "{includes:?} {excludes:?}"
            );
        }
    }

    #[test]
    fn scoped_lists_may_exclude_everything() {
        let table: [(&[&str], &[&str], &[&str]); 4] = [
            (&[], &["*"], &[]),
            (&["a"], &["*"], &["when exclude is '*', include cannot have value"]),
            (
                &[],
                &["*", "a"],
                &["excludes list must either contain '*' only, or a non-empty list of items"],
            ),
            (
                &["a"],
                &["a"],
                &["excludes list cannot contain an item in the includes list: a"],
            ),
        ];
        for (includes, excludes, expected) in table {
            assert_eq!(
                scoped_lists(&owned(includes), &owned(excludes)),
                expected,
                "{includes:?} {excludes:?}"
            );
        }
    }

    #[test]
    fn a_backup_against_every_rule_gets_the_messages_in_order() {
        let (a, star) = (owned(&["a"]), owned(&["*", "b"]));
        let lists = TypeLists {
            included: &a,
            excluded: &a,
            excluded_cluster_scoped: &star,
            ..TypeLists::default()
        };
        let messages = backup_resources(lists);
        assert_eq!(messages.len(), 2);
        assert!(messages[0].ends_with("They cannot be used together"), "{}", messages[0]);
        assert_eq!(messages[0].lines().count(), 3);
        assert_eq!(
            messages[1],
            "Invalid included/excluded resource lists: excludes list cannot contain an item in the includes list: a"
        );
        let lists = TypeLists {
            excluded_cluster_scoped: &star,
            included_namespace_scoped: &a,
            excluded_namespace_scoped: &a,
            ..TypeLists::default()
        };
        assert_eq!(
            backup_resources(lists),
            [
                "Invalid cluster-scoped included/excluded resource lists: excludes list must either contain '*' only, or a \
                 non-empty list of items",
                "Invalid namespace-scoped included/excluded resource lists: excludes list cannot contain an item in the \
                 includes list: a",
            ]
        );
        assert_eq!(backup_resources(TypeLists::default()), Vec::<String>::new());
    }

    #[test]
    fn names_and_patterns_of_namespaces_must_be_legal() {
        let label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        let unsupported = "wildcard pattern contains unsupported characters: |, (, ), !, {, }, ,";
        let long = "x".repeat(64);
        let table: [(&str, Option<String>); 19] = [
            ("", None),
            ("*", None),
            ("shop", None),
            ("shop-*", None),
            ("[ab]?", None),
            ("[[a]", None),
            ("Shop", Some(format!("invalid namespace \"Shop\": {label}"))),
            ("-*", Some(format!("invalid namespace \"-*\": {label}"))),
            ("a.b", Some("invalid namespace \"a.b\": must not contain dots".into())),
            (
                &long,
                Some(format!(
                    "invalid namespace {long:?}: must be no more than 63 characters"
                )),
            ),
            ("a|b", Some(unsupported.into())),
            ("{a}", Some(unsupported.into())),
            ("a,b", Some(unsupported.into())),
            ("[!a]", Some(unsupported.into())),
            (
                "a**",
                Some("wildcard pattern contains consecutive asterisks (only single * allowed)".into()),
            ),
            (
                "a[]",
                Some("wildcard pattern contains empty bracket pattern '[]'".into()),
            ),
            ("a[b", Some("wildcard pattern contains unclosed bracket '['".into())),
            (
                "a]b",
                Some("wildcard pattern contains unmatched closing bracket ']'".into()),
            ),
            (
                "[a]]",
                Some("wildcard pattern contains unmatched closing bracket ']'".into()),
            ),
        ];
        for (name, expected) in table {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|e| format!("Invalid included/excluded namespace lists: {e}"))
                .collect();
            assert_eq!(backup_namespaces(&owned(&[name]), &[]), expected, "{name}");
        }
    }

    #[test]
    fn a_restore_may_use_any_pattern_but_obeys_the_rules_of_lists() {
        let (braces, both) = (owned(&["{a,b}"]), owned(&["x"]));
        assert_eq!(restore_lists((&braces, &[]), (&braces, &[])), Vec::<String>::new());
        assert_eq!(
            restore_lists((&both, &both), (&both, &both)),
            [
                "Invalid included/excluded resource lists: excludes list cannot contain an item in the includes list: x",
                "Invalid included/excluded namespace lists: excludes list cannot contain an item in the includes list: x",
            ]
        );
    }

    #[test]
    fn an_invalid_pattern_is_refused_in_every_list() {
        let (broken, none) = (owned(&["secr[ets"]), owned(&[]));
        let text = "secr[ets` is not a valid pattern: a bracket is not closed";
        let old = TypeLists {
            excluded: &broken,
            ..TypeLists::default()
        };
        let cluster = TypeLists {
            included_cluster_scoped: &broken,
            ..TypeLists::default()
        };
        let namespaced = TypeLists {
            excluded_namespace_scoped: &broken,
            ..TypeLists::default()
        };
        for messages in [
            backup_resources(old),
            backup_resources(cluster),
            backup_resources(namespaced),
            restore_lists((&none, &broken), (&none, &none)),
            restore_lists((&none, &none), (&broken, &none)),
        ] {
            assert!(messages.len() == 1 && messages[0].ends_with(text), "{messages:?}");
        }
    }

    #[test]
    fn a_selector_that_the_api_would_refuse_is_named_by_its_field() {
        let selector = |operator: &str, values: &[&str]| LabelSelector {
            match_expressions: vec![crate::api::LabelSelectorRequirement {
                key: "app".to_owned(),
                operator: operator.to_owned(),
                values: owned(values),
            }],
            ..LabelSelector::default()
        };
        let good = selector("In", &["a"]);
        assert_eq!(
            label_selectors(Some(&good), std::slice::from_ref(&good)),
            Vec::<String>::new()
        );
        let messages = label_selectors(Some(&selector("Near", &["a"])), &[good, selector("Exists", &["a"])]);
        assert_eq!(
            messages,
            [
                "invalid spec.labelSelector: \"Near\" is not a valid label selector operator",
                "invalid spec.orLabelSelectors[1]: label selector key \"app\": operator Exists takes no values",
            ]
        );
    }

    #[test]
    fn one_selector_and_several_exclude_each_other() {
        assert_eq!(selectors(true, false, "backup"), None);
        assert_eq!(selectors(false, true, "backup"), None);
        assert_eq!(
            selectors(true, true, "restore").unwrap(),
            "encountered labelSelector as well as orLabelSelectors in restore spec, only one can be specified"
        );
    }

    #[test]
    fn a_policy_and_old_filters_exclude_each_other() {
        assert_eq!(policy_with_old_filters(TypeLists::default()), None);
        let old = TypeLists {
            include_cluster: Some(true),
            ..TypeLists::default()
        };
        assert!(
            policy_with_old_filters(old)
                .unwrap()
                .ends_with("include-exclude policies.")
        );
    }
}
