-- +goose Up

CREATE TABLE limits (
    agent   TEXT NOT NULL, -- of one agent, or empty
    project TEXT NOT NULL, -- of one project, or empty; both empty: of all
    doc     TEXT NOT NULL CHECK (json_valid(doc)), -- the limits, and of what was warned
    PRIMARY KEY (agent, project)
) STRICT, WITHOUT ROWID;

CREATE TABLE limit_standings (
    agent TEXT PRIMARY KEY,
    doc   TEXT NOT NULL CHECK (json_valid(doc)) -- its project, and the limit that stops it
) STRICT, WITHOUT ROWID;

CREATE TABLE recoveries (
    agent TEXT PRIMARY KEY,
    doc   TEXT NOT NULL CHECK (json_valid(doc)) -- what was done for an agent's health, and what is to be done
) STRICT, WITHOUT ROWID;
