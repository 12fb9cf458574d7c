-- Accounts that are configured in the ledger, and those that a third-party platform's list names. No secret is
-- here: the settings name where secrets are.
create table registered (
    appid        text   not null,
    source       text   not null,        -- table, platform
    settings     text,                   -- of the table's: as JSON
    changed_at   bigint not null,
    disabled_at  bigint,                 -- since when it is not archived, on somebody's wish
    gone_at      bigint,                 -- since when the platform's list does not have it
    primary key (appid, source)
);
