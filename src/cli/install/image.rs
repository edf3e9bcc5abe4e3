//! Image references.

/// The pull policy of an image: `Always` unless it has a fixed tag or a digest. Unlike upstream, a registry's port is not
/// parsed as a tag.
pub fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains('@') {
        return "IfNotPresent";
    }
    match name.split_once(':') {
        Some((_, tag)) if tag != "latest" => "IfNotPresent",
        _ => "Always",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_without_a_fixed_tag_are_always_pulled() {
        let cases = [
            ("velero/velero:v1.18.1", "IfNotPresent"),
            ("velero/velero:latest", "Always"),
            ("velero/velero", "Always"),
            ("host:5000/velero", "Always"),
            ("host:5000/velero:v1", "IfNotPresent"),
            ("velero@sha256:0123", "IfNotPresent"),
        ];
        for (image, want) in cases {
            assert_eq!(pull_policy(image), want, "{image}");
        }
    }
}
