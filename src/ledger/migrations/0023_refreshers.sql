-- Which process refreshes the tokens of a third-party platform, and until when: a second one would make them void.
-- No token is here.
create table refreshers (
    platform     text   not null primary key,   -- its appid
    lease_owner  text   not null,               -- empty for nobody
    lease_until  bigint not null,
    lease_ms     bigint not null,
    since        bigint not null
);
