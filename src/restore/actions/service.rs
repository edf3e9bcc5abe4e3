//! Removes addresses and ports that the source cluster assigned to a service, and keeps those that a user requested
//! (spec restore 14.3, the form of 1.18.1).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::action::{ActionError, Input, Output};
use super::built_in::BuiltIn;
use crate::api::annotations::LAST_APPLIED;
use crate::restore::object::metadata;

pub(super) const ACTION: BuiltIn = BuiltIn {
    name: "velero.io/service",
    resources: &["services"],
    label: None,
    execute,
};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every built-in action")]
fn execute(item: &mut Value, input: &Input<'_>) -> Result<Output, ActionError> {
    let asked = Asked::of(item);
    let ports = item.pointer("/spec/ports").and_then(Value::as_array);
    let keep: Vec<bool> = ports
        .into_iter()
        .flatten()
        .map(|port| asked.for_node_port(port))
        .collect();
    let keep_health_check = asked.for_health_check();
    let Some(spec) = item.get_mut("spec").and_then(Value::as_object_mut) else {
        return Ok(Output::default());
    };
    if spec.get("clusterIP").is_some_and(|address| address != "None") {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if has_node_ports(spec) && !input.restore.preserve_node_ports {
        let ports = spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        for (port, _) in ports.zip(keep).filter(|(_, keep)| !keep) {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
        let local_balancer = spec.get("type").is_some_and(|kind| kind == "LoadBalancer")
            && spec
                .get("externalTrafficPolicy")
                .is_some_and(|policy| policy == "Local");
        if local_balancer && !keep_health_check {
            spec.remove("healthCheckNodePort");
        }
    }
    Ok(Output::default())
}

/// Whether the service is created with a fixed node port. Such services come before those that are assigned one, which could
/// otherwise get the same port (spec restore 25.2, invariant 19).
pub fn keeps_a_node_port(service: &Value, preserve: bool) -> bool {
    let Some(spec) = service.get("spec").and_then(Value::as_object) else {
        return false;
    };
    let ports = || spec.get("ports").and_then(Value::as_array).into_iter().flatten();
    let asked = Asked::of(service);
    has_node_ports(spec)
        && ports().any(|port| number(port.get("nodePort")).is_some() && (preserve || asked.for_node_port(port)))
}

fn has_node_ports(spec: &Map<String, Value>) -> bool {
    spec.get("type").is_none_or(|kind| kind != "ExternalName")
}

/// What shows that a user requested a port: kubectl's record of the applied configuration, or without it the owner of the field.
enum Asked<'a> {
    Applied(Applied),
    Managed(&'a Value),
}

/// Node ports of the configuration that was last applied.
#[derive(Default)]
struct Applied {
    /// Names of the ports with a node port.
    names: HashSet<String>,
    /// Numbers on ports without a name.
    unnamed: HashSet<u64>,
    health_check: bool,
}

impl Applied {
    /// Reads the record; nothing if it is not what kubectl writes about a service. Any client may write it, so it is only a hint.
    fn read(record: &str) -> Option<Self> {
        let applied: Value = serde_json::from_str(record).ok()?;
        let spec = match applied.as_object()?.get("spec") {
            None | Some(Value::Null) => None,
            Some(spec) => Some(spec.as_object()?),
        };
        let ports = match spec.and_then(|spec| spec.get("ports")) {
            None | Some(Value::Null) => &Vec::new(),
            Some(ports) => ports.as_array()?,
        };
        let mut read = Self {
            health_check: spec.is_some_and(|spec| number(spec.get("healthCheckNodePort")).is_some()),
            ..Self::default()
        };
        for port in ports {
            let Some(node_port) = number(port.get("nodePort")) else {
                continue;
            };
            match port.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
                Some(name) => drop(read.names.insert(name.to_owned())),
                None => drop(read.unnamed.insert(node_port)),
            }
        }
        Some(read)
    }
}

impl<'a> Asked<'a> {
    fn of(service: &'a Value) -> Self {
        metadata::annotation(service, LAST_APPLIED)
            .and_then(Applied::read)
            .map_or_else(
                || Self::Managed(service.pointer("/metadata/managedFields").unwrap_or(&Value::Null)),
                Self::Applied,
            )
    }

    fn for_node_port(&self, port: &Value) -> bool {
        match self {
            Self::Applied(applied) => match port.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
                Some(name) => applied.names.contains(name),
                None => number(port.get("nodePort")).is_some_and(|number| applied.unnamed.contains(&number)),
            },
            Self::Managed(entries) => {
                let (Some(number), protocol) = (port.get("port"), port.get("protocol").and_then(Value::as_str)) else {
                    return false;
                };
                let key = format!(r#"k:{{"port":{number},"protocol":"{}"}}"#, protocol.unwrap_or("TCP"));
                owned(entries, |spec| spec.get("f:ports")?.get(&key)?.get("f:nodePort"))
            }
        }
    }

    fn for_health_check(&self) -> bool {
        match self {
            Self::Applied(applied) => applied.health_check,
            Self::Managed(entries) => owned(entries, |spec| spec.get("f:healthCheckNodePort")),
        }
    }
}

/// Whether an entry of `managedFields` owns what `field` finds below `f:spec`.
fn owned(entries: &Value, field: impl Fn(&Value) -> Option<&Value>) -> bool {
    let entries = entries.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.pointer("/fieldsV1/f:spec"))
        .any(|spec| field(spec).is_some())
}

/// A port number that is not zero; it may be written as text.
fn number(port: Option<&Value>) -> Option<u64> {
    let port = port?;
    port.as_u64()
        .or_else(|| port.as_str()?.parse().ok())
        .filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::actions::action::RestoreItemAction;
    use crate::restore::actions::testing::{Archive, changed, run};
    use crate::restore::request::RestoreContext;

    fn service(applied: Option<&Value>, managed: &Value, spec: &Value) -> Value {
        let mut service = json!({"metadata": {"name": "web", "managedFields": managed}, "spec": spec});
        if let Some(applied) = applied {
            service["metadata"]["annotations"] = json!({LAST_APPLIED: applied.to_string()});
        }
        service
    }

    #[test]
    fn assigned_addresses_are_removed_and_headless_is_kept() {
        let table = [
            (json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}), json!({})),
            (
                json!({"clusterIP": "None", "clusterIPs": ["None"]}),
                json!({"clusterIP": "None", "clusterIPs": ["None"]}),
            ),
            (json!({}), json!({})),
        ];
        for (before, after) in table {
            assert_eq!(changed(&ACTION, &service(None, &json!([]), &before))["spec"], after);
        }
    }

    #[test]
    fn a_requested_node_port_is_kept() {
        let owner = json!([
            {"manager": "a"},
            {"fieldsV1": {"f:spec": {"f:ports": {r#"k:{"port":81,"protocol":"TCP"}"#: {"f:nodePort": {}}}}}},
        ]);
        let named = json!({"spec": {"ports": [{"name": "fixed", "nodePort": 30081}, {"name": "http"}]}});
        let as_text = json!({"spec": {"ports": [{"name": "fixed", "nodePort": "30081"}]}});
        let unnamed = json!({"spec": {"ports": [{"nodePort": 30081}]}});
        let none = json!({"spec": {"ports": [{"name": "fixed"}, {"name": "http"}]}});
        let two = json!([
            {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 31000},
            {"name": "fixed", "port": 81, "protocol": "TCP", "nodePort": 30081},
        ]);
        let lone = json!([{"port": 81, "protocol": "TCP", "nodePort": 30081}]);
        let nothing = json!([]);
        let table = [
            ("applied by name", Some(&named), &nothing, &two, vec![None, Some(30081)]),
            (
                "applied as text",
                Some(&as_text),
                &nothing,
                &two,
                vec![None, Some(30081)],
            ),
            (
                "applied without name, by number",
                Some(&unnamed),
                &nothing,
                &lone,
                vec![Some(30081)],
            ),
            ("applied under another name", Some(&named), &nothing, &lone, vec![None]),
            (
                "the record wins over owners",
                Some(&none),
                &owner,
                &two,
                vec![None, None],
            ),
            ("owned", None, &owner, &two, vec![None, Some(30081)]),
            ("no port requested", None, &nothing, &two, vec![None, None]),
        ];
        for (name, applied, managed, ports, expected) in table {
            let object = service(applied, managed, &json!({"type": "NodePort", "ports": ports}));
            let ports = changed(&ACTION, &object)["spec"]["ports"].clone();
            let kept: Vec<Option<u64>> = ports
                .as_array()
                .unwrap()
                .iter()
                .map(|port| port["nodePort"].as_u64())
                .collect();
            assert_eq!(kept, expected, "{name}");
            assert_eq!(
                keeps_a_node_port(&object, false),
                expected.iter().any(Option::is_some),
                "{name}"
            );
        }
    }

    #[test]
    fn every_node_port_is_kept_if_the_restore_preserves_them() {
        let object = service(
            None,
            &json!([]),
            &json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 31000}]}),
        );
        let preserve = RestoreContext {
            preserve_node_ports: true,
            ..RestoreContext::default()
        };
        let (item, output) = run(&ACTION, &preserve, &Archive::default(), &object);
        assert_eq!((item, output), (object.clone(), Ok(Output::default())));
        assert!(keeps_a_node_port(&object, true) && !keeps_a_node_port(&object, false));
    }

    #[test]
    fn a_requested_health_check_port_of_a_local_balancer_is_kept() {
        let applied = json!({"spec": {"healthCheckNodePort": 30500}});
        let silent = json!({"spec": {}});
        let owner = json!([{"fieldsV1": {"f:spec": {"f:healthCheckNodePort": {}}}}]);
        let nothing = json!([]);
        let table = [
            ("Local", Some(&applied), &nothing, true),
            ("Local", Some(&silent), &owner, false),
            ("Local", None, &owner, true),
            ("Local", None, &nothing, false),
            ("Cluster", None, &nothing, true),
        ];
        for (policy, applied, managed, kept) in table {
            let spec = json!({"type": "LoadBalancer", "externalTrafficPolicy": policy, "healthCheckNodePort": 30500});
            let object = changed(&ACTION, &service(applied, managed, &spec));
            assert_eq!(
                object["spec"].get("healthCheckNodePort").is_some(),
                kept,
                "{policy} {applied:?}"
            );
        }
    }

    #[test]
    fn an_unreadable_record_counts_as_none() {
        let ports = json!([{"port": 81, "protocol": "TCP", "nodePort": 30081}]);
        let owner =
            json!([{"fieldsV1": {"f:spec": {"f:ports": {r#"k:{"port":81,"protocol":"TCP"}"#: {"f:nodePort": {}}}}}}]);
        for record in [
            "{",
            "",
            "not { json",
            "null",
            "[]",
            "3",
            r#"{"spec": 3}"#,
            r#"{"spec": {"ports": {"a": 1}}}"#,
        ] {
            for (managed, kept) in [
                (&owner, true),
                (&json!([]), false),
                (&json!("odd"), false),
                (&json!(null), false),
            ] {
                let mut object = service(None, managed, &json!({"type": "NodePort", "ports": ports}));
                object["metadata"]["annotations"] = json!({LAST_APPLIED: record});
                let has = changed(&ACTION, &object)["spec"]["ports"][0].get("nodePort").is_some();
                assert_eq!(has, kept, "{record:?} {managed}");
                assert_eq!(keeps_a_node_port(&object, false), kept, "{record:?} {managed}");
            }
        }
    }

    #[test]
    fn invalid_entries_of_a_record_request_nothing() {
        let ports = json!([{"name": "p", "port": 81, "nodePort": 30081}]);
        for port in [
            json!({"name": "p", "nodePort": null}),
            json!({"name": "p", "nodePort": "x"}),
            json!({"name": "p", "nodePort": -1}),
            json!({"name": 7, "nodePort": {}}),
            json!("odd"),
            json!(null),
        ] {
            let applied = json!({"spec": {"healthCheckNodePort": null, "ports": [port]}});
            let object = service(Some(&applied), &json!([]), &json!({"type": "NodePort", "ports": ports}));
            assert_eq!(
                changed(&ACTION, &object)["spec"]["ports"][0].get("nodePort"),
                None,
                "{applied}"
            );
        }
        for empty in [json!({}), json!({"spec": null}), json!({"spec": {"ports": null}})] {
            let object = service(Some(&empty), &json!([]), &json!({"type": "NodePort", "ports": ports}));
            assert!(!keeps_a_node_port(&object, false), "{empty}");
        }
    }

    #[test]
    fn an_external_name_is_not_changed() {
        let object = service(
            None,
            &json!([]),
            &json!({"type": "ExternalName", "externalName": "x", "ports": [{"nodePort": 1}]}),
        );
        assert_eq!(changed(&ACTION, &object), object);
        assert_eq!(ACTION.name(), "velero.io/service");
    }
}
