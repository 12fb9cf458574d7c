-- Messages that are to be sent, or could not be: each is sent once, by one process.
create table notices (
    id             text   primary key,
    channel        text   not null,       -- its name, which holds no secret
    made_at        bigint not null,
    digest         text   not null,       -- notify::Digest as JSON
    sender         text,                  -- the process that sends it now
    sending_until  bigint                 -- others leave it alone until then
);
create index notices_by_channel on notices (channel, made_at);

-- What a channel was told is wrong and has not ended since: it is told once more when all is well again.
create table troubles (
    channel  text   not null,
    command  text   not null,             -- run, backfill, verify; stale
    appid    text   not null,             -- empty where it concerns all accounts
    since    bigint not null,
    primary key (channel, command, appid)
);

-- Receivers that want no more messages.
create table silenced (
    channel  text   primary key,
    address  text   not null,             -- a digest of its address: a new one is tried
    since    bigint not null
);

-- How the last run of each command ended: notify::Digest as JSON.
create table last_digests (
    command  text   primary key,
    made_at  bigint not null,
    digest   text   not null
);
