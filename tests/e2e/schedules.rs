//! Schedules in the image, which has no files but the program.

use serde_json::Value;

use crate::installation::Installation;
use crate::node::node;
use crate::{eventually, text};

/// What a schedule says about its next backup.
fn next_backup(schedule: &Value) -> Option<String> {
    let conditions = schedule["status"]["conditions"].as_array()?;
    let scheduled = conditions.iter().find(|condition| condition["type"] == "Scheduled")?;
    Some(text(scheduled, "/message"))
}

#[test]
fn a_schedule_is_due_by_its_time_zone_in_an_image_without_zone_files() {
    let node = node();
    let velero = Installation::new(&node, "velero-zones");
    for (name, expression, due) in [
        ("tokyo", "CRON_TZ=Asia/Tokyo 30 2 * * *", "T17:30:00Z"),
        ("plain", "30 2 * * *", "T02:30:00Z"),
    ] {
        let flag = format!("--schedule={expression}");
        velero.velero(&["schedule", "create", name, &flag, "--include-namespaces=default"]);
        let said = eventually(&format!("what schedule {name} says"), || {
            next_backup(&velero.object("schedule", name))
        });
        assert!(
            said.starts_with("the next backup is due at ") && said.ends_with(due),
            "{said}"
        );
        assert_eq!(text(&velero.object("schedule", name), "/status/phase"), "Enabled");
    }
}
