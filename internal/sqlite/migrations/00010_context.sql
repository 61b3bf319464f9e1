-- +goose Up

-- How many tokens the model of a call has room for, as the agent's program told it; 0 where it did not.
ALTER TABLE usage ADD COLUMN context_window INTEGER NOT NULL DEFAULT 0;

-- What the parser of a file wants to know of what is before, whatever that is.
ALTER TABLE usage_files RENAME COLUMN prompt TO state;
