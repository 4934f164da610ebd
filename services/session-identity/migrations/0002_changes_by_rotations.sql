-- Whether a change put another session under its key. Watchers that want nothing else need not be told
-- of each run, of which there are two changes a turn. What older releases write counts as one.
alter table session_changes add column rotated boolean not null default true;
