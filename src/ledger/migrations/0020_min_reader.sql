-- Which programs may use these tables: those that know at least the migration min_reader, which came with
-- version min_version. One row. A migration that older programs do not notice leaves it as it is; one after which
-- they would fail or do harm raises it: update ledger_schema set min_reader = 30, min_version = '0.9.0'
create table ledger_schema (
    min_reader bigint not null,
    min_version text not null
);
insert into ledger_schema (min_reader, min_version) values (20, '0.2.0');
