-- How long the holder of a lease claimed it for: what ends later than that allows was set by a clock
-- that has been moved since. Leases of before were all of five minutes.
alter table rooms add column lease_ms bigint not null default 300000;
