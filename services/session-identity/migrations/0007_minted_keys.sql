-- Keys that the system minted: until when one stays at least; the sweep looks then whether it was used since. Null: a
-- key that stays for ever. No run changes it, so that updates of runs stay heap-only.
alter table session_keys add column kept_until timestamptz;
create index session_keys_kept_until on session_keys (kept_until) where kept_until is not null;
-- Whose history is read by others.
create index generations_parent on generations (tenant, parent_session_id) where parent_session_id is not null;
