-- Multipart uploads that may be unfinished. A row is written before the store is asked to begin an
-- upload, and goes when that upload was completed or aborted. Times are epoch milliseconds, UTC.

create table uploads (
    intent           text   not null primary key,  -- a random name
    appid            text   not null,
    room_id          bigint not null,
    object_key       text   not null,
    run_id           text   not null,
    begun_at         bigint not null,              -- when the store was about to be asked
    upload_id        text,                         -- the store's name for it, once known
    in_doubt         bigint not null               -- whether the store may have begun others for it
);

create index uploads_by_room on uploads (appid, room_id);
