-- What is asked over all accounts at once, so that nothing reads the rooms and recordings that are
-- done: of these there are a hundred for each that is owed.
create index rooms_owed on rooms (appid, deadline_at, phase, next_at, room_id)
    where phase in ('due', 'listed');
create index rooms_counted on rooms (appid, phase, status);
create index rooms_failed on rooms (appid, room_id) where failure is not null;
create index rooms_leased on rooms (lease_owner) where lease_owner is not null;
create index recordings_owed on recordings (appid, room_id)
    where state in ('"pending"', '"failed"');
create index recordings_stored on recordings (appid, room_id, kind, bytes) where bytes is not null;
