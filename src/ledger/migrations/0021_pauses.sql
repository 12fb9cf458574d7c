-- Since when WeChat refuses every call for the account because it does not authorise them, with which code, and
-- what it said. Null while it answers.
alter table accounts add column paused_at bigint;
alter table accounts add column paused_code bigint;
alter table accounts add column paused_reason text;
alter table accounts add column paused_hints text;      -- a JSON array
-- By which [select] the account's rooms were last chosen: as JSON. Null before the first time.
alter table accounts add column selection text;
-- The rule that leaves a room out, while its phase is left_out; and whether somebody asked for the room by its
-- number, which no rule overrides: 0 or 1.
alter table rooms add column left_out text;
alter table rooms add column asked_for bigint not null default 0;
create index rooms_left_out on rooms (appid, left_out) where left_out is not null;
