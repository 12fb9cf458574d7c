//! The limits that a run keeps to.

use std::time::Duration;

use super::world::World;

/// Threads of their own order tasks otherwise than one thread does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn files_share_a_memory_budget_of_a_single_part() {
    let piece = "[[account.room.replay]]\nsize = \"17MiB\"\n";
    let world = World::with_settings(
        &format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{piece}{piece}{piece}"),
        "[transfer]\nmemory = \"5MiB\"\npart_size = \"5MiB\"\nfiles = 3\nranges = 4\n",
    )
    .await;
    let night = tokio::time::timeout(Duration::from_secs(60), world.run()).await;
    night.expect("it does not wait for ever").says(1, "complete", &["archived"; 3]);
}
