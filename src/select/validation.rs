//! What is wrong with the lists of a spec, in upstream's words and order (spec api 7.1, 7.2).

use super::backup::TypeLists;

/// Messages about the resource lists of a backup, rows 8 and 9 of spec api 7.1.
pub fn backup_resources(lists: TypeLists<'_>) -> Vec<String> {
    let _ = lists;
    todo!("skeleton")
}

/// Messages about the namespace lists of a backup, row 10 of spec api 7.1.
pub fn backup_namespaces(includes: &[String], excludes: &[String]) -> Vec<String> {
    let _ = (includes, excludes);
    todo!("skeleton")
}

/// Messages about the lists of a restore, row 2 of spec api 7.2.
pub fn restore_lists(resources: (&[String], &[String]), namespaces: (&[String], &[String])) -> Vec<String> {
    let _ = (resources, namespaces);
    todo!("skeleton")
}
