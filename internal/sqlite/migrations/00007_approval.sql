-- +goose Up

CREATE TABLE approvals (
    n       INTEGER PRIMARY KEY, -- of APR-n
    record  TEXT NOT NULL UNIQUE, -- of the hook that waits
    agent   TEXT NOT NULL,
    state   TEXT NOT NULL,
    same    TEXT NOT NULL, -- equal for the same tool about the same thing
    always  INTEGER NOT NULL, -- 1 when the answer counts for the agent for ever
    settled INTEGER NOT NULL, -- 0 when it is pending
    doc     TEXT NOT NULL CHECK (json_valid(doc)), -- the whole case
    input   BLOB NOT NULL -- the arguments, when they are whole
) STRICT;

CREATE INDEX approvals_pending ON approvals (n) WHERE state = 'pending';
CREATE INDEX approvals_settled ON approvals (settled);
CREATE INDEX approvals_agent ON approvals (agent, n);
CREATE INDEX approvals_always ON approvals (agent, same) WHERE always = 1;
