//! Retention rules as they stand in the annotations of a Schedule ([decision 53](../../../docs/decisions/0053-retention.md)).

use std::collections::BTreeMap;
use std::fmt;

/// What the keys of all rules begin with.
const PREFIX: &str = "velero.io/keep-";

/// What a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The newest backups.
    Last,
    /// The newest Completed backups.
    LastSuccessful,
    /// The newest backup of each hour that has one.
    Hourly,
    /// The same of each day.
    Daily,
    /// The same of each ISO week, which begins on Monday.
    Weekly,
    /// The same of each month.
    Monthly,
    /// The same of each year.
    Yearly,
}

impl Rule {
    /// Every rule, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Last,
        Self::LastSuccessful,
        Self::Hourly,
        Self::Daily,
        Self::Weekly,
        Self::Monthly,
        Self::Yearly,
    ];

    /// The annotation of a Schedule that sets it.
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Last => "velero.io/keep-last",
            Self::LastSuccessful => "velero.io/keep-last-successful",
            Self::Hourly => "velero.io/keep-hourly",
            Self::Daily => "velero.io/keep-daily",
            Self::Weekly => "velero.io/keep-weekly",
            Self::Monthly => "velero.io/keep-monthly",
            Self::Yearly => "velero.io/keep-yearly",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.annotation().trim_start_matches("velero.io/"))
    }
}

/// How many backups a rule keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Of(u32),
    /// All that it counts.
    All,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(count) => count.fmt(f),
            Self::All => f.write_str("unlimited"),
        }
    }
}

/// The rules of a schedule, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(BTreeMap<Rule, Count>);

/// Rules that cannot be followed. Nothing is deleted by guess: as long as they stand there, no backup of the schedule is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}; until that is corrected no backup of this schedule is deleted", .0.join("; "))]
pub struct InvalidRules(Vec<String>);

impl Rules {
    /// The rules in these annotations; `None` if there are none, or all of them are 0.
    ///
    /// # Errors
    /// A value is no number, or a key beginning with `velero.io/keep-` is no rule.
    pub fn parse(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, InvalidRules> {
        let (mut rules, mut invalid) = (BTreeMap::new(), Vec::new());
        for (key, value) in annotations.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            let Some(rule) = Rule::ALL.into_iter().find(|rule| rule.annotation() == key) else {
                let known = Rule::ALL.map(|rule| rule.to_string()).join(", ");
                invalid.push(format!("annotation `{key}` is not a retention rule; use {known}"));
                continue;
            };
            match count(value) {
                Some(Count::Of(0)) => {}
                Some(count) => _ = rules.insert(rule, count),
                None => invalid.push(format!(
                    "annotation `{key}` is `{value}`; use a number of backups, or `unlimited`"
                )),
            }
        }
        if !invalid.is_empty() {
            return Err(InvalidRules(invalid));
        }
        Ok((!rules.is_empty()).then_some(Self(rules)))
    }

    /// Each rule with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, Count)> {
        self.0.iter().map(|(rule, count)| (*rule, *count))
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<_> = self.iter().map(|(rule, count)| format!("{rule}={count}")).collect();
        f.write_str(&rules.join(", "))
    }
}

fn count(text: &str) -> Option<Count> {
    match text.trim() {
        "unlimited" | "-1" => Some(Count::All),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok().map(Count::Of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rules: &[(&str, &str)]) -> Result<Option<Rules>, InvalidRules> {
        let all = rules
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Rules::parse(&all.collect())
    }

    #[test]
    fn rules_are_numbers_in_the_annotations_of_a_schedule() {
        let rules = [
            ("velero.io/keep-daily", "7"),
            ("velero.io/keep-last", " 3 "),
            ("velero.io/keep-yearly", "unlimited"),
            ("velero.io/keep-monthly", "-1"),
            ("velero.io/keep-hourly", "0"),
            ("velero.io/schedule-jitter", "5m"),
            ("example.com/keep-last", "x"),
        ];
        let shown = parse(&rules).unwrap().unwrap().to_string();
        assert_eq!(
            shown,
            "keep-last=3, keep-daily=7, keep-monthly=unlimited, keep-yearly=unlimited"
        );
    }

    #[test]
    fn without_a_rule_that_keeps_something_there_are_no_rules() {
        for rules in [&[][..], &[("velero.io/keep-last", "0")], &[("team", "a")]] {
            assert_eq!(parse(rules), Ok(None), "{rules:?}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_followed_invalidates_all_and_is_named() {
        for (key, value, said) in [
            (
                "velero.io/keep-last",
                "three",
                "annotation `velero.io/keep-last` is `three`",
            ),
            ("velero.io/keep-last", "", "annotation `velero.io/keep-last` is ``"),
            ("velero.io/keep-last", "-2", "is `-2`"),
            ("velero.io/keep-last", "+2", "is `+2`"),
            ("velero.io/keep-last", "1.5", "is `1.5`"),
            ("velero.io/keep-last", "99999999999", "is `99999999999`"),
            (
                "velero.io/keep-daylie",
                "3",
                "annotation `velero.io/keep-daylie` is not a retention rule; use keep-last,",
            ),
            ("velero.io/keep-", "3", "annotation `velero.io/keep-` is not"),
        ] {
            let error = parse(&[("velero.io/keep-weekly", "4"), (key, value)])
                .unwrap_err()
                .to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.ends_with("no backup of this schedule is deleted"), "{error}");
        }
    }
}
