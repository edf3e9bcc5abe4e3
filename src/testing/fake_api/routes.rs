//! From a request to an effect on the state.

use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::kinds::{self, FakeKind};
use super::state::{Part, State, key_of, not_found, remove, shown_as};
use super::{Answer, Seen, selectors};

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    plural: &'a str,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
}

/// The decoded query of a request.
pub(super) fn query_of(uri: &Uri) -> Vec<(String, String)> {
    uri.query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let parsed = std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.extend(parsed);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Answers one request.
pub(super) fn answer(state: &mut State, seen: &Seen, headers: &HeaderMap) -> Answer {
    let path: Vec<&str> = seen.path.split('/').filter(|part| !part.is_empty()).collect();
    let accept = headers
        .get(http::header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let aggregated = accept.contains("APIGroupDiscoveryList");
    match path.as_slice() {
        ["version"] => {
            return Answer::ok(json!({
                "major": "1", "minor": "35", "gitVersion": "v1.35.4", "gitCommit": "", "gitTreeState": "clean",
                "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.25", "compiler": "gc", "platform": "linux/amd64",
            }));
        }
        ["api"] if aggregated => return Answer::ok(kinds::aggregated(&state.kinds, true)),
        ["apis"] if aggregated => return Answer::ok(kinds::aggregated(&state.kinds, false)),
        ["api"] => return Answer::ok(kinds::api_versions(&state.kinds)),
        ["apis"] => return Answer::ok(kinds::api_groups(&state.kinds)),
        ["api", version] => return resources_of(state, "", version),
        ["apis", group, version] => return resources_of(state, group, version),
        _ => {}
    }
    let Some(target) = target(&path) else { return unserved() };
    let Some(kind) = state.kind_at(target.group, target.version, target.plural).cloned() else {
        return unserved();
    };
    let part = match target.subresource {
        None => Part::Main,
        Some("status") if kind.has_status => Part::Status,
        Some(_) => return unserved(),
    };
    let dry = seen.param("dryRun") == Some("All");
    match (&seen.method, target.name) {
        (&Method::GET, None) => list(state, &kind, target.namespace, seen),
        (&Method::GET, Some(name)) => match state.read(&kind, target.namespace, name) {
            Some(object) => Answer::ok(object),
            None => not_found(&kind, name),
        },
        (&Method::POST, None) => match body(seen) {
            Ok(object) => state.create(&kind, target.namespace, object, dry),
            Err(answer) => answer,
        },
        (&Method::PUT, Some(_)) => match body(seen) {
            Ok(object) => state.update(&kind, part, object, dry),
            Err(answer) => answer,
        },
        (&Method::PATCH, Some(name)) => patch(state, &kind, part, target.namespace, name, seen, headers),
        (&Method::DELETE, Some(name)) => {
            let options = body(seen).unwrap_or_default();
            state.delete(&kind, target.namespace, name, &options["preconditions"])
        }
        _ => Answer::error(405, "MethodNotAllowed", "the fake does not offer this method here"),
    }
}

fn resources_of(state: &State, group: &str, version: &str) -> Answer {
    kinds::api_resources(&state.kinds, group, version).map_or_else(unserved, Answer::ok)
}

fn unserved() -> Answer {
    Answer::error(404, "NotFound", "the server could not find the requested resource")
}

fn body(seen: &Seen) -> Result<Value, Answer> {
    serde_json::from_slice(&seen.body).map_err(|error| Answer::error(400, "BadRequest", &error.to_string()))
}

fn target<'a>(path: &[&'a str]) -> Option<Target<'a>> {
    let (group, version, rest) = match path {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        // `namespaces/<name>` and its subresources are the Namespace itself.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] => (*namespace, rest),
        rest => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some(*name), None),
        [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
        _ => return None,
    };
    Some(Target {
        group,
        version,
        namespace,
        plural,
        name,
        subresource,
    })
}

fn list(state: &State, kind: &FakeKind, namespace: &str, seen: &Seen) -> Answer {
    let param = |name: &str| seen.param(name).unwrap_or_default();
    let (labels, fields) = (param("labelSelector"), param("fieldSelector"));
    let after = match param("continue") {
        "" => None,
        token => match token.strip_prefix("after:").and_then(|key| key.split_once('/')) {
            Some((namespace, name)) => Some((namespace.to_owned(), name.to_owned())),
            None => return Answer::error(400, "BadRequest", "continue key is not valid"),
        },
    };
    let limit = param("limit")
        .parse::<usize>()
        .ok()
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let mut items = Vec::new();
    let mut last = None;
    let mut remaining = 0_usize;
    for (key, object) in state.of(kind) {
        if after.as_ref().is_some_and(|after| key <= after) || (!namespace.is_empty() && key.0 != namespace) {
            continue;
        }
        let matches = selectors::labels_match(labels, object)
            .and_then(|labels| Ok(labels && selectors::fields_match(fields, object)?));
        match matches {
            Ok(true) => {}
            Ok(false) => continue,
            Err(message) => return Answer::error(400, "BadRequest", &message),
        }
        if items.len() == limit {
            remaining += 1;
            continue;
        }
        let mut item = shown_as(kind, object);
        remove(&mut item, "apiVersion");
        remove(&mut item, "kind");
        items.push(item);
        last = Some(key);
    }
    let mut metadata = json!({"resourceVersion": state.revision().to_string()});
    if let Some((namespace, name)) = last.filter(|_| remaining > 0) {
        metadata["continue"] = json!(format!("after:{namespace}/{name}"));
        if labels.is_empty() && fields.is_empty() {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    Answer::ok(json!({
        "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": items,
    }))
}

fn patch(
    state: &mut State,
    kind: &FakeKind,
    part: Part,
    namespace: &str,
    name: &str,
    seen: &Seen,
    headers: &HeaderMap,
) -> Answer {
    let content = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let dry = seen.param("dryRun") == Some("All");
    let change = match body(seen) {
        Ok(change) => change,
        Err(answer) => return answer,
    };
    let Some(mut wanted) = state.read(kind, namespace, name) else {
        if content.starts_with("application/apply-patch") {
            return state.create(kind, namespace, change, dry);
        }
        return not_found(kind, name);
    };
    if content.starts_with("application/json-patch") {
        let patched = serde_json::from_value::<json_patch::Patch>(change)
            .map_err(|error| error.to_string())
            .and_then(|patch| json_patch::patch(&mut wanted, &patch).map_err(|error| error.to_string()));
        if let Err(message) = patched {
            return Answer::error(422, "Invalid", &message);
        }
    } else {
        json_patch::merge(&mut wanted, &change);
    }
    if key_of(&wanted) != (namespace.to_owned(), name.to_owned()) {
        return Answer::error(422, "Invalid", "the name of an object cannot be changed");
    }
    state.update(kind, part, wanted, dry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_name_on_an_api_server() {
        let parts = |path: &'static str| path.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
        for (path, expected) in [
            ("/api/v1/pods", Some(("", "", "pods", None, None))),
            ("/api/v1/namespaces", Some(("", "", "namespaces", None, None))),
            ("/api/v1/namespaces/a", Some(("", "", "namespaces", Some("a"), None))),
            (
                "/api/v1/namespaces/a/status",
                Some(("", "", "namespaces", Some("a"), Some("status"))),
            ),
            ("/api/v1/namespaces/a/pods", Some(("", "a", "pods", None, None))),
            (
                "/api/v1/namespaces/a/pods/b/status",
                Some(("", "a", "pods", Some("b"), Some("status"))),
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/b",
                Some(("apps", "a", "deployments", Some("b"), None)),
            ),
            ("/apis/g/v1/things/b", Some(("g", "", "things", Some("b"), None))),
            ("/healthz", None),
        ] {
            let found = parts(path);
            let found = target(&found).map(|t| (t.group, t.namespace, t.plural, t.name, t.subresource));
            assert_eq!(found, expected, "{path}");
        }
    }
}
