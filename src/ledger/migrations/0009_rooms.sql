-- Since when WeChat answers that it does not know a room: believed when it still does a day later.
alter table rooms add column unknown_since bigint;
-- Rooms that were asked for by number and never were: they have no name, no time and no recording.
delete from rooms
    where phase = 'later' and live_status is null and start_at is null and status is null
      and not exists (select 1 from recordings
        where recordings.appid = rooms.appid and recordings.room_id = rooms.room_id);
