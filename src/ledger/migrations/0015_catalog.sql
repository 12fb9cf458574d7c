-- What the catalog says of a room's manifest beside its status. Null for rooms that an earlier version
-- sealed, until they are sealed again.
alter table rooms add column archived_bytes bigint;
alter table rooms add column archived_ms bigint;   -- what its playback plays, in milliseconds
alter table rooms add column cover text;           -- relative to the room's folder
