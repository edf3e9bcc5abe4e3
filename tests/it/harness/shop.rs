//! The application of the recorded scene, as far as it comes up where no kubelet runs.

use super::{Plane, data, eventually, text};

impl Plane {
    /// Makes the shop and waits until the controllers have done what they do about it.
    #[track_caller]
    pub fn open_shop(&self) {
        // The file holds a definition and an object of it: the first time the object comes too early.
        let shop = data("go-1.18.1/shop.yaml");
        let apply = ["apply", "-f", shop.to_str().expect("a path")];
        let _ = self.kubectl_with(&apply, "");
        self.kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/widgets.example.com",
            "--timeout=60s",
        ]);
        self.kubectl(&apply);
        eventually("the shop to be open", || {
            // A volume comes along once its claim is bound.
            let claim = self.get("shop", "persistentvolumeclaim", "data")?;
            let web = self.get("shop", "deployment", "web")?;
            (text(&claim, "/status/phase") == "Bound" && text(&web, "/status/replicas") == "2").then_some(())
        });
        // Nothing can be executed in pods that do not run, and what cannot be frozen is not saved: these ask for no hooks.
        let hook = |phase: &str| format!("{phase}.hook.backup.velero.io/command-");
        let pods = ["annotate", "pods", "-n", "shop", "-l", "app=web"];
        self.kubectl(&[&pods[..], &[&hook("pre"), &hook("post")]].concat());
    }
}
