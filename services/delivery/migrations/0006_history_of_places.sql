-- A route may lead to another address than it did (Telegram's groups that become supergroups): where it led stands
-- in its history. NULL in rows of before: as it leads now.

ALTER TABLE route_changes ADD COLUMN address text;
