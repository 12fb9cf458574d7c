-- What was moved from each media host, and over all of them as '*', in the time that something was
-- under way; a row for each day in Beijing, kept for some weeks.
create table throughput (
    host             text   not null,
    day              text   not null,
    bytes            bigint not null,
    busy_ms          bigint not null,
    primary key (host, day)
);
