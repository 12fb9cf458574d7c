-- `status` counts the recordings of an account by state: from the index alone. What is pending is found
-- by the same index.
drop index recordings_owed;
create index recordings_counted on recordings (appid, state, bytes);
