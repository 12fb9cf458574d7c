-- The chunks of a whole under way that are durable in the bucket; none once the whole has ended.
create table whole_chunks (
    appid            text   not null,
    room_id          bigint not null,
    source_id        text   not null,
    name             text   not null,             -- chunk-000000.ts
    playlist_sha256  text   not null,             -- of the playlist the chunk stands in
    stored           text   not null,             -- model::WholeChunk as JSON
    primary key (appid, room_id, source_id, name)
);
