-- Whether the manifest has a stitched film of its segments, or says why there is none: 0 or 1. Null for rooms
-- that an earlier version sealed, until they are sealed or stitched again.
alter table rooms add column film_tried bigint;
