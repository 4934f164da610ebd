-- From when on a run id has to be minted, once fences were raised: what began after the backup and is
-- forgotten was minted before. Null: never raised.
alter table history add column run_ids_from timestamptz;
-- Raised by the release before this one. Ids from before the journal's retention are refused for their age.
update history set run_ids_from =
  (select max(create_time) + interval '10 minutes' from journal where operation = 'raise_fences')
where generation_floor > 0;
