-- When a person acknowledged that the recording is lost; the room's manifest says who and why.
alter table recordings add column acknowledged_at bigint;
