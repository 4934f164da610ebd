-- Files that a tool made and that did not fit into the turn's answer: who asked is told, also by a run that
-- takes over.
ALTER TABLE tool_steps ADD files_left_out integer NOT NULL DEFAULT 0;
