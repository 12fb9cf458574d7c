-- When a recording is tried again, the setting that forbids it, and whether a person was told of its
-- loss. Times are epoch milliseconds, UTC.
alter table recordings add column next_try_at bigint;     -- not to be tried before; null for at once
alter table recordings add column obstacle text;          -- model::Obstacle
alter table recordings add column told_at bigint;         -- when a person was told that it is lost
alter table recordings add column teller text;            -- the process that is about to tell
alter table recordings add column telling_until bigint;   -- until then nobody else tells

-- Earlier versions told of every loss when they saw it.
update recordings set told_at = 0 where state = '"expired"';
-- They never came back to what was rejected three times.
update rooms set phase = 'listed', next_at = 0
    where phase = 'closed' and exists (
        select 1 from recordings
        where recordings.appid = rooms.appid and recordings.room_id = rooms.room_id
            and recordings.state = '"rejected"');

drop index recordings_owed;
create index recordings_owed on recordings (appid, room_id)
    where state in ('"pending"', '"failed"', '"rejected"');
create index recordings_untold on recordings (appid, room_id)
    where state = '"expired"' and told_at is null;
create index recordings_hindered on recordings (appid, obstacle) where obstacle is not null;
