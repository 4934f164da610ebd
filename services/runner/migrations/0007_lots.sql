-- One statement admits many turns of a lane. What the last one went by, written and read within it alone:
-- the turns that it took, and the bound of waiting turns (0: the turn may not wait).
ALTER TABLE lanes ADD taken integer NOT NULL DEFAULT 0, ADD max_waiting integer NOT NULL DEFAULT 0;
