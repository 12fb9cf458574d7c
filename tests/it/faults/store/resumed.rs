//! Uploads that were left unfinished.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::check::{LARGE, Row, check_all};
use super::super::expect::failed;
use super::{ALWAYS, refuse, row, second_part};
use crate::pipeline::world::World;

#[test]
fn an_upload_that_a_killed_run_left_is_gone_on_with_or_begun_anew() {
    let resumed = |name: &str, heal: fn(&World)| {
        let broken = row(
            name,
            LARGE,
            second_part,
            ALWAYS,
            refuse(500, "InternalError"),
            failed("500 InternalError"),
        );
        let heal = move |world: &World| {
            assert_eq!(world.front.strict().uploads().len(), 1, "the upload is kept");
            heal(world);
        };
        Row { heal: Box::new(heal), ..broken }
    };
    check_all(vec![
        resumed("the upload is there", |_| {}),
        resumed("the upload has expired", |world| world.front.strict().expire_uploads()),
        resumed("a part that was recorded is gone", |world| {
            world.front.strict().lose_part(1);
        }),
        resumed("NoSuchUpload on resume", |world| {
            let struck = AtomicBool::new(false);
            world.front.strict().fault(move |request| {
                let strikes = second_part(request) && !struck.swap(true, Ordering::Relaxed);
                strikes.then(|| refuse(404, "NoSuchUpload"))
            });
        }),
    ]);
}
