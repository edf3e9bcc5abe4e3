//! The custom resources as they are on the wire; names, labels, durations, schema. See spec: custom resources, identifiers, labels.
