-- +goose Up

-- How far agents' transcripts were read.
CREATE TABLE usage_files (
    n        INTEGER PRIMARY KEY,
    agent    TEXT NOT NULL,
    path     TEXT NOT NULL,
    identity TEXT NOT NULL, -- which file the path named
    head     INTEGER NOT NULL, -- a sum over its beginning
    offset   INTEGER NOT NULL,
    prompt   TEXT NOT NULL,
    skipping INTEGER NOT NULL,
    skipped  INTEGER NOT NULL, -- lines that made no sense
    UNIQUE (agent, path)
) STRICT;

-- One row for each call of a model. Rows outlive their agents: what a project cost does not change.
CREATE TABLE usage (
    n              INTEGER PRIMARY KEY,
    agent          TEXT NOT NULL,
    key            TEXT NOT NULL, -- of the call
    file           INTEGER NOT NULL, -- that told of it last
    model          TEXT NOT NULL,
    session        TEXT NOT NULL,
    sidechain      INTEGER NOT NULL,
    prompt         TEXT NOT NULL,
    at             INTEGER NOT NULL,
    turn           INTEGER NOT NULL, -- 0 for none that is known
    message        TEXT NOT NULL,
    task           INTEGER NOT NULL, -- of TASK-n; 0 for none
    project        TEXT NOT NULL,
    input          INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cost           INTEGER, -- in trillionths of a dollar; null when the model has no price
    UNIQUE (agent, key)
) STRICT;

CREATE INDEX usage_agent ON usage (agent, at);
CREATE INDEX usage_at ON usage (at); -- by day
CREATE INDEX usage_model ON usage (model, at);
CREATE INDEX usage_project ON usage (project, at);
CREATE INDEX usage_task ON usage (task) WHERE task > 0;

-- Which prices the costs were counted with.
CREATE TABLE usage_prices (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    mark TEXT NOT NULL
) STRICT;
