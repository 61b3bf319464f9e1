-- +goose Up

-- How many tokens the model of a call has room for, as the agent's program told it; 0 where it did not.
ALTER TABLE usage ADD COLUMN context_window INTEGER NOT NULL DEFAULT 0;
