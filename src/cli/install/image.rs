//! Image references.

/// When the kubelet fetches an image: a tag that stays what it is need not be fetched twice. Unlike upstream, a registry's
/// port is not taken for a tag.
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
    fn only_images_whose_tag_may_move_are_fetched_each_time() {
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
