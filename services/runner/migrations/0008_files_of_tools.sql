-- Files that a tool made for the turn's answer, as FilePart messages. A run that takes over has them with
-- the step's result; the release before this one knows of none.
ALTER TABLE tool_steps ADD files bytea[] NOT NULL DEFAULT '{}';
