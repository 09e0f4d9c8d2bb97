-- What each of the findings is, in one word of a few: what metrics and alerts know it by. The version
-- before writes the texts alone.

alter table dbt_source add column finding_kinds text[] not null default '{}';
