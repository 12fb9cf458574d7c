-- `status` counts the recordings of an account by state: from the index alone.
create index recordings_counted on recordings (appid, state, bytes);
