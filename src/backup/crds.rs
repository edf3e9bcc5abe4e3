//! The CRDs of saved custom resources are saved too (spec backup 9.4).

use super::done::Key;
use super::save::ItemSaver;
use super::stop::Stop;

/// Saves the CRD of each saved type that has one, unless the user excluded CRDs.
pub(super) async fn save_crds(saver: &ItemSaver<'_>) -> Result<(), Stop> {
    let tracker = saver.tracker;
    let Some(crds) = saver.prepared.types.crds().filter(|type_| !type_.excluded) else {
        return Ok(());
    };
    let saved = tracker.counts.saved_types();
    // The API server refuses a CRD for a group without a dot.
    for type_ in saved.iter().filter(|type_| type_.group.contains('.')) {
        let name = format!("{}.{}", type_.resource, type_.group);
        if tracker.done.contains(Key::new(&crds.group_resource, None, &name)) {
            continue;
        }
        match saver.objects.reader.get(&crds.resource, None, &name).await {
            Ok(Some(object)) => {
                tracker
                    .log
                    .info(format!("Found associated CRD {name} to add to backup"));
                saver.save(crds, object, false).await?;
            }
            Ok(None) => {}
            Err(error) => tracker.failed(crds, None, &name).error(&error).msg("Error getting CRD"),
        }
    }
    Ok(())
}
