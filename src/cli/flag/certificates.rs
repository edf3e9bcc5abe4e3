//! The file of `--cacert`.

use std::fs;
use std::path::Path;

use reqwest::Certificate;

/// Reads a bundle of certificates in PEM. A file without certificates would be stored, and every client would then fail.
///
/// # Errors
/// The file cannot be read or has no certificate.
pub fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let pem = fs::read(path).map_err(|error| format!("read the certificates in `{shown}`: {error}"))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(format!(
            "--cacert: `{shown}` contains no certificate in PEM format; check that it has a line -----BEGIN CERTIFICATE-----"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.crt");
        let made = rcgen::generate_simple_self_signed(["velero".to_owned()]).unwrap();
        for (text, is_bundle) in [
            (made.cert.pem(), true),
            (format!("# comment\n{0}\n{0}", made.cert.pem()), true),
            (String::new(), false),
            ("host\n".to_owned(), false),
            (made.signing_key.serialize_pem(), false),
        ] {
            fs::write(&file, &text).unwrap();
            assert_eq!(certificates(&file).is_ok(), is_bundle, "{text}");
        }
        let error = certificates(&dir.path().join("none")).unwrap_err();
        assert!(error.starts_with("read the certificates in `"), "{error}");
    }
}
