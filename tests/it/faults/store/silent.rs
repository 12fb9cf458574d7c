//! A store that never says a word of one part, and takes all others.

use std::time::Duration;

use replay_archiver::pipeline::Selection;

use crate::pipeline::world::World;
use crate::strict::Effect;

#[tokio::test]
async fn no_more_than_one_part_beyond_the_memory_is_under_way_whatever_the_store_has_of_them() {
    let scenario = "[[account.room]]\nid = 1\nstart = \"-9d\"\n\
                    [[account.room.replay]]\nsize = \"81MiB\"\n";
    let world = World::with_settings(scenario, "[transfer]\nmemory = \"23MiB\"\n").await;
    world.front.strict().fault(|request| {
        let is_first = request.method == "PUT" && request.query.contains("partNumber=1&");
        is_first.then_some(Effect::Stall)
    });
    let night = world
        .night(&Selection::Due, |config| {
            config.images = None;
            config.store.timeouts.attempt = Duration::from_secs(6);
            config.store.retry.attempts = 1;
        })
        .await;
    assert_eq!(night.media.len(), 5, "four fit into 23 MiB: {:#?}", night.media);
    let sent = night.store.iter().filter(|request| request.query.contains("partNumber"));
    assert_eq!(sent.count(), 5);
    world.heal();
    world.run().await.says(1, "complete", &["archived"]);
}
