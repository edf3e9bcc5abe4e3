//! The Service and Ingress of the artifact endpoint for clients outside the cluster that do not use the API server (decision
//! 44).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::options::{ARTIFACTS_PORT, InstallOptions};
use super::parts::metadata;
use crate::controllers::artifact::base::SERVICE;

/// The name of both objects.
const NAME: &str = "velero-artifacts";

pub(super) fn objects(options: &InstallOptions) -> Result<Vec<Value>, serde_json::Error> {
    let mut objects = Vec::new();
    if let Some(port) = options.artifacts.node_port {
        objects.push(serde_json::to_value(node_port(&options.namespace, port))?);
    }
    if let Some(class) = &options.artifacts.ingress_class {
        let host = options.artifact_url().host().to_owned();
        objects.push(serde_json::to_value(ingress(&options.namespace, class, &host))?);
    }
    Ok(objects)
}

/// A separate Service: a NodePort of the main one would also expose the metrics.
fn node_port(namespace: &str, port: u16) -> Service {
    Service {
        metadata: metadata(Some(namespace), NAME),
        spec: Some(ServiceSpec {
            type_: Some("NodePort".to_owned()),
            selector: Some(BTreeMap::from([("deploy".to_owned(), "velero".to_owned())])),
            ports: Some(vec![ServicePort {
                name: Some("artifacts".to_owned()),
                port: ARTIFACTS_PORT,
                target_port: Some(IntOrString::String("artifacts".to_owned())),
                node_port: Some(i32::from(port)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// TLS is passed through to the server. A proxy that terminates TLS would need a certificate that the location's clients trust.
fn ingress(namespace: &str, class: &str, host: &str) -> Ingress {
    let mut metadata = metadata(Some(namespace), NAME);
    // For the nginx controller. Other controllers ignore them and have their own settings.
    metadata.annotations = Some(
        [("ssl-passthrough", "true"), ("backend-protocol", "HTTPS")]
            .map(|(key, value)| (format!("nginx.ingress.kubernetes.io/{key}"), value.to_owned()))
            .into(),
    );
    let path = HTTPIngressPath {
        path: Some("/artifacts".to_owned()),
        path_type: "Prefix".to_owned(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: SERVICE.to_owned(),
                port: Some(ServiceBackendPort {
                    name: Some("artifacts".to_owned()),
                    ..ServiceBackendPort::default()
                }),
            }),
            ..IngressBackend::default()
        },
    };
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: Some(class.to_owned()),
            tls: Some(vec![IngressTLS {
                hosts: Some(vec![host.to_owned()]),
                ..IngressTLS::default()
            }]),
            rules: Some(vec![IngressRule {
                host: Some(host.to_owned()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::install::options::ArtifactOptions;

    fn made(artifacts: ArtifactOptions) -> Vec<Value> {
        objects(&InstallOptions {
            namespace: "v".to_owned(),
            artifacts,
            ..InstallOptions::default()
        })
        .unwrap()
    }

    #[test]
    fn a_node_port_exposes_only_the_artifacts() {
        assert_eq!(made(ArtifactOptions::default()), Vec::<Value>::new());
        let made = made(ArtifactOptions {
            node_port: Some(30443),
            ..ArtifactOptions::default()
        });
        let ports = made[0]["spec"]["ports"].as_array().unwrap();
        assert_eq!(made[0]["spec"]["type"], "NodePort");
        assert_eq!((ports.len(), &ports[0]["nodePort"]), (1, &30443.into()));
    }

    #[test]
    fn an_ingress_is_for_the_host_of_the_url() {
        let made = made(ArtifactOptions {
            url: Some("https://backup.example.com".parse().unwrap()),
            ingress_class: Some("nginx".to_owned()),
            ..ArtifactOptions::default()
        });
        assert_eq!(made[0]["kind"], "Ingress");
        assert_eq!(made[0]["spec"]["rules"][0]["host"], "backup.example.com");
        assert_eq!(made[0]["spec"]["tls"][0]["hosts"][0], "backup.example.com");
        let backend = &made[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"];
        assert_eq!(
            (&backend["name"], &backend["port"]["name"]),
            (&"velero".into(), &"artifacts".into())
        );
    }
}
