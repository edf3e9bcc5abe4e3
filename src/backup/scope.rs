//! One list for the whole cluster, or one a namespace (spec backup 22-E1).

/// Up to this many namespaces are always listed one by one: this is the usual backup of one application, and its cost does not
/// depend on the size of the cluster.
const ALWAYS_ONE_BY_ONE: usize = 4;

/// Beyond this many lists a type, one list of everything is less work for the API server.
const MOST_LISTS: usize = 64;

/// Namespaces are listed one by one while the chosen ones are at most this part of all.
const WORTHWHILE_PART: usize = 8;

/// Where the objects of a namespaced type are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// One list; objects of other namespaces are skipped.
    Cluster,
    /// One list each. Empty if none of the chosen namespaces exists.
    Namespaces(Vec<String>),
}

impl Scope {
    /// Chooses for the namespaces that exist. `everything`: the filter excludes none; else `chosen` decides.
    ///
    /// One list a namespace if they are few, or a small part of all; else one list. The number of their objects does not count,
    /// because it is not known before the lists.
    pub(super) fn choose(everything: bool, chosen: impl Fn(&str) -> bool, alive: &[String]) -> Self {
        if everything {
            return Self::Cluster;
        }
        let few: Vec<String> = alive.iter().filter(|name| chosen(name)).cloned().collect();
        let worthwhile = few.len() <= MOST_LISTS && few.len() * WORTHWHILE_PART <= alive.len();
        if few.len() <= ALWAYS_ONE_BY_ONE || worthwhile {
            Self::Namespaces(few)
        } else {
            Self::Cluster
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_namespaces_are_listed_one_by_one_and_many_together() {
        for (chosen, alive, one_by_one) in [
            (0, 0, true),
            (0, 100, true),
            (1, 1, true),
            (4, 4, true),
            (5, 5, false),
            (5, 39, false),
            (5, 40, true),
            (64, 512, true),
            (64, 511, false),
            (65, 10_000, false),
        ] {
            let names: Vec<String> = (0..alive).map(|i| format!("{i:05}")).collect();
            let limit = format!("{chosen:05}");
            let scope = Scope::choose(false, |name| name < limit.as_str(), &names);
            let expected = if one_by_one {
                Scope::Namespaces(names[..chosen].to_vec())
            } else {
                Scope::Cluster
            };
            assert_eq!(scope, expected, "{chosen} of {alive}");
        }
    }

    #[test]
    fn everything_is_one_list_even_in_a_small_cluster() {
        assert_eq!(Scope::choose(true, |_| true, &["default".to_owned()]), Scope::Cluster);
    }
}
