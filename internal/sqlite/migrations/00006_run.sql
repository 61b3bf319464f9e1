-- +goose Up

CREATE TABLE runs (
    n       INTEGER PRIMARY KEY, -- of RUN-n
    kind    TEXT NOT NULL,
    state   TEXT NOT NULL,
    over    INTEGER NOT NULL,
    actor   TEXT NOT NULL, -- who asked for it
    updated INTEGER NOT NULL,
    doc     TEXT NOT NULL -- the whole run, without its steps
) STRICT;

CREATE INDEX runs_open ON runs (n) WHERE over = 0;

CREATE TABLE run_steps (
    run     INTEGER NOT NULL REFERENCES runs (n) ON DELETE CASCADE,
    n       INTEGER NOT NULL,
    agent   TEXT NOT NULL, -- empty until it is known
    key     TEXT NOT NULL UNIQUE, -- of the message
    prompt  TEXT NOT NULL,
    message TEXT NOT NULL, -- its id, once that is known
    state   TEXT NOT NULL,
    answer  TEXT NOT NULL,
    error   TEXT NOT NULL,
    doc     TEXT NOT NULL, -- the rest of the step
    PRIMARY KEY (run, n)
) STRICT;
