//! Label and field selectors as an API server reads them from a query.

use serde_json::Value;

/// Whether the object's labels match the text of `labelSelector`; an unreadable selector is an error text.
pub(super) fn labels_match(selector: &str, object: &Value) -> Result<bool, String> {
    for requirement in requirements(selector) {
        if !label_matches(requirement, object)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the object matches the text of `fieldSelector`: paths joined by dots, `=`, `==` and `!=`.
pub(super) fn fields_match(selector: &str, object: &Value) -> Result<bool, String> {
    for requirement in requirements(selector) {
        let (path, equal, wanted) = comparison(requirement).ok_or_else(|| unreadable(requirement))?;
        let found = path
            .split('.')
            .fold(object, |value, key| &value[key])
            .as_str()
            .unwrap_or_default();
        if (found == wanted) != equal {
            return Ok(false);
        }
    }
    Ok(true)
}

fn label_matches(requirement: &str, object: &Value) -> Result<bool, String> {
    let label = |key: &str| object["metadata"]["labels"].get(key.trim()).and_then(Value::as_str);
    if let Some(values) = requirement.strip_suffix(')') {
        let (head, values) = values.split_once('(').ok_or_else(|| unreadable(requirement))?;
        let (key, operator) = head.trim().rsplit_once(' ').ok_or_else(|| unreadable(requirement))?;
        let among = label(key).is_some_and(|value| values.split(',').any(|wanted| wanted.trim() == value));
        return match operator {
            "in" => Ok(among),
            "notin" => Ok(!among),
            _ => Err(unreadable(requirement)),
        };
    }
    if let Some((key, equal, wanted)) = comparison(requirement) {
        return Ok((label(key) == Some(wanted)) == equal);
    }
    if requirement.contains(['<', '>', ' ']) {
        return Err(unreadable(requirement));
    }
    Ok(match requirement.strip_prefix('!') {
        Some(key) => label(key).is_none(),
        None => label(requirement).is_some(),
    })
}

fn comparison(requirement: &str) -> Option<(&str, bool, &str)> {
    if let Some((key, wanted)) = requirement.split_once("!=") {
        return Some((key.trim(), false, wanted.trim()));
    }
    let (key, wanted) = requirement.split_once("==").or_else(|| requirement.split_once('='))?;
    Some((key.trim(), true, wanted.trim()))
}

/// Splits at the commas outside parentheses.
fn requirements(selector: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    selector
        .split(move |c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|requirement| !requirement.is_empty())
}

fn unreadable(requirement: &str) -> String {
    format!("unable to parse requirement: {requirement:?}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_mean_what_they_mean_to_an_api_server() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
        for (selector, expected) in [
            ("", Ok(true)),
            ("app=web", Ok(true)),
            ("app==web,tier=front", Ok(true)),
            ("app=web,tier=back", Ok(false)),
            ("app!=web", Ok(false)),
            ("zone!=a", Ok(true)),
            ("app in (db,web),tier", Ok(true)),
            ("app notin (db,web)", Ok(false)),
            ("zone notin (a)", Ok(true)),
            ("!zone", Ok(true)),
            ("!app", Ok(false)),
            ("<none>", Err(())),
        ] {
            assert_eq!(labels_match(selector, &object).map_err(|_| ()), expected, "{selector}");
        }
    }
}
