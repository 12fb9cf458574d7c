-- One set of statements for SQLite and PostgreSQL. Times are epoch milliseconds, UTC.

create table accounts (
    appid            text   not null primary key,
    scanned_at       bigint,                      -- the start of the last scan that reached its end
    full_scanned_at  bigint,                      -- the start of the last full one
    scan_offset      bigint not null default 0,   -- where an unfinished full scan goes on
    scan_started_at  bigint,                      -- when that scan began
    finished_at      bigint                       -- the last run that left nothing undone
);

create table rooms (
    appid            text   not null,
    room_id          bigint not null,
    room             text   not null,             -- model::Room as JSON
    phase            text   not null,             -- later, due, listed, closed
    live_status      bigint,
    start_at         bigint,
    deadline_at      bigint not null,             -- estimated, then the soonest of its recordings
    next_at          bigint not null default 0,   -- not to be looked at before
    attempts         bigint not null default 0,   -- looks in a row that did not bring it to an end
    announced        bigint,
    listed_at        bigint,
    settled          bigint not null default 0,
    status           text,                        -- of the manifest
    revision         bigint not null default 0,   -- of the manifest; 0 for none
    manifest_sha256  text,
    failure          text,                        -- what went wrong last
    lease_owner      text,
    lease_until      bigint not null default 0,
    primary key (appid, room_id)
);

create index rooms_by_deadline on rooms (appid, phase, deadline_at);
create index rooms_by_start on rooms (appid, phase, start_at);

create table recordings (
    appid            text   not null,
    room_id          bigint not null,
    source_id        text   not null,             -- 8 hex digits of the SHA-256 of the source's path
    kind             text   not null,             -- segment, whole
    media_url        text,                        -- without its query, which may be a signature
    had_query        bigint not null,
    create_raw       text,
    create_at        bigint,
    expire_raw       text,
    expire_at        bigint,
    state            text   not null,
    reason           text,
    attempts         bigint not null default 0,
    stored           text,                        -- model::Stored as JSON
    bytes            bigint,                      -- of a stored segment
    checkpoint       text,                        -- of the multipart upload under way
    primary key (appid, room_id, source_id)
);

create table upload_parts (
    appid            text   not null,
    room_id          bigint not null,
    source_id        text   not null,
    number           bigint not null,             -- from 1
    receipt          text   not null,             -- the store's, as JSON
    primary key (appid, room_id, source_id, number)
);

create table quota (
    appid            text   not null,
    day              text   not null,             -- in Beijing
    used             bigint not null,
    daily_limit      bigint,                      -- as WeChat told, where it did
    primary key (appid, day)
);
