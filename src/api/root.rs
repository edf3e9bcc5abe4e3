//! The common root of every custom resource.
//!
//! kube's derive is not used: it requires a spec, always enables the status subresource, and writes fields in another
//! order.

/// Declares the root of a custom resource: metadata, spec and status, each of which may be missing.
macro_rules! custom_resource {
    (
        $(#[doc = $doc:literal])+
        $kind:ident {
            version: $version:literal,
            plural: $plural:literal,
            short_names: $short_names:expr,
            columns: $columns:expr,
            spec: $spec:ty,
            status: $status:ty,
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        pub struct $kind {
            /// Standard object metadata.
            #[serde(deserialize_with = "crate::api::wire::nil")]
            pub metadata: crate::api::ObjectMeta,
            /// The desired state.
            #[serde(deserialize_with = "crate::api::wire::nil")]
            pub spec: $spec,
            /// The observed state.
            #[serde(deserialize_with = "crate::api::wire::nil")]
            pub status: $status,
        }

        impl $kind {
            /// The parts of the CRD.
            pub const CRD: crate::api::schema::Crd = crate::api::schema::Crd {
                kind: stringify!($kind),
                version: $version,
                plural: $plural,
                short_names: $short_names,
                columns: $columns,
                description: concat!($($doc),+).trim_ascii(),
                spec: crate::api::schema::of::<$spec>,
                status: crate::api::schema::of::<$status>,
            };

            /// An object with this name and nothing else.
            pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
                Self {
                    metadata: crate::api::ObjectMeta {
                        namespace: Some(namespace.into()),
                        name: Some(name.into()),
                        ..Default::default()
                    },
                    ..Default::default()
                }
            }
        }

        impl kube::Resource for $kind {
            type DynamicType = ();
            type Scope = kube::core::NamespaceResourceScope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                stringify!($kind).into()
            }

            fn group((): &()) -> std::borrow::Cow<'_, str> {
                crate::api::GROUP.into()
            }

            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &crate::api::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut crate::api::ObjectMeta {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct;
                let mut root = serializer.serialize_struct(stringify!($kind), 5)?;
                root.serialize_field("kind", stringify!($kind))?;
                root.serialize_field("apiVersion", concat!("velero.io/", $version))?;
                root.serialize_field("metadata", &crate::api::meta::InGoOrder(&self.metadata))?;
                root.serialize_field("spec", &self.spec)?;
                root.serialize_field("status", &self.status)?;
                root.end()
            }
        }
    };
}

pub(crate) use custom_resource;
