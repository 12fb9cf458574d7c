-- What a person can do about a reason, beside its message: a JSON array. Null in rows that an earlier
-- version wrote, which has the hints at the end of the message, in lines `hint: …`.
alter table recordings add column hints text;
alter table rooms add column hints text;
