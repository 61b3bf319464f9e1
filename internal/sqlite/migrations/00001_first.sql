-- +goose Up

-- Times are nanoseconds since 1970 in UTC; 0 stands for no time.

CREATE TABLE agents (
    n      INTEGER PRIMARY KEY, -- the order of creation
    id     TEXT NOT NULL UNIQUE,
    doc    TEXT NOT NULL CHECK (json_valid(doc)), -- the whole agent but for what is counted
    parent TEXT GENERATED ALWAYS AS (doc ->> '$.parentId'),
    level  TEXT GENERATED ALWAYS AS (doc ->> '$.level'),
    role   TEXT GENERATED ALWAYS AS (doc ->> '$.role'),
    status TEXT GENERATED ALWAYS AS (doc ->> '$.status')
) STRICT;

CREATE TABLE tokens (
    agent TEXT PRIMARY KEY REFERENCES agents (id) ON DELETE CASCADE,
    hash  TEXT NOT NULL UNIQUE CHECK (hash <> '')
) STRICT, WITHOUT ROWID;

CREATE TABLE ordinals (
    stem TEXT PRIMARY KEY,
    n    INTEGER NOT NULL -- the last one given
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    seq       INTEGER PRIMARY KEY, -- counts over all agents; the order within each inbox is what matters
    id        TEXT NOT NULL UNIQUE,
    agent     TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    sender    TEXT NOT NULL,
    text      TEXT NOT NULL,
    urgent    INTEGER NOT NULL,
    state     TEXT NOT NULL,
    done      INTEGER NOT NULL, -- what the state says of itself
    reason    TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    answer    TEXT NOT NULL,
    failure   TEXT NOT NULL,
    created   INTEGER NOT NULL,
    submitted INTEGER NOT NULL,
    answered  INTEGER NOT NULL
) STRICT;

CREATE INDEX messages_agent ON messages (agent, done);

CREATE TABLE turns (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    agent   TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    prompt  TEXT NOT NULL,
    answer  TEXT NOT NULL,
    failure TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended   INTEGER NOT NULL
) STRICT;

CREATE INDEX turns_agent ON turns (agent);

CREATE INDEX turns_open ON turns (agent) WHERE ended = 0;

CREATE TABLE events (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    type  TEXT NOT NULL,
    agent TEXT NOT NULL,
    actor TEXT NOT NULL,
    data  TEXT NOT NULL CHECK (data = '' OR json_valid(data))
) STRICT;

CREATE TABLE keys (
    actor     TEXT NOT NULL,
    key       TEXT NOT NULL,
    operation TEXT NOT NULL,
    hash      BLOB NOT NULL,
    subject   TEXT NOT NULL,
    answer    TEXT, -- null until the call has ended
    created   INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;

CREATE TABLE records (
    id   TEXT NOT NULL PRIMARY KEY,
    seen INTEGER NOT NULL
) STRICT;

CREATE TABLE mcp_tasks (
    n       INTEGER PRIMARY KEY, -- the order of creation
    id      TEXT NOT NULL UNIQUE,
    record  TEXT NOT NULL,
    live    INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE INDEX mcp_tasks_live ON mcp_tasks (n) WHERE live = 1;
