-- Which rooms the bucket is to have manifests of, in the order in which a bucket lists its keys: room
-- 10 before room 9. And how far the bucket was looked through.
create index rooms_by_key on rooms (appid, (cast(room_id as text))) where status is not null;
alter table accounts add column surveyed_room bigint;  -- the last room looked at; null for none
