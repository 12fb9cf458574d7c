-- Whether the bucket was found to lack objects of a room that was archived: the next look at the room
-- holds all of its objects against what is recorded of them, whichever run makes it.
alter table rooms add column lacking bigint not null default 0;
