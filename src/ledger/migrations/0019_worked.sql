-- When a run, or a backfill of every room, last worked on the account, whatever it left: not a look at its room
-- list alone.
alter table accounts add column worked_at bigint;
