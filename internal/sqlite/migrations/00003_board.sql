-- +goose Up

CREATE TABLE boards (
    id      INTEGER PRIMARY KEY,
    project TEXT NOT NULL UNIQUE
) STRICT;

-- What tasks are chosen by stands in columns and indexes, in the order in which tasks are listed: by the rank of their
-- priority, then by number.
CREATE TABLE tasks (
    n        INTEGER PRIMARY KEY, -- of TASK-n
    board    INTEGER NOT NULL REFERENCES boards (id),
    rank     INTEGER NOT NULL, -- of the priority, 0 is the most urgent
    status   TEXT NOT NULL,
    type     TEXT NOT NULL,
    assignee TEXT NOT NULL,
    sprint   TEXT NOT NULL,
    parent   INTEGER NOT NULL, -- 0 for none
    children INTEGER NOT NULL,
    progress INTEGER NOT NULL,
    ready    INTEGER NOT NULL, -- somebody could begin with it now
    held     INTEGER NOT NULL, -- somebody has a lease on it
    doc      TEXT NOT NULL -- the whole task
) STRICT;

CREATE INDEX tasks_status ON tasks (board, status, rank, n, type, children, progress);
CREATE INDEX tasks_assignee ON tasks (board, assignee, rank, n, status, type, sprint) WHERE assignee <> '';
CREATE INDEX tasks_sprint ON tasks (board, sprint, rank, n, status, type, assignee) WHERE sprint <> '';
CREATE INDEX tasks_parent ON tasks (parent, rank, n, status, progress) WHERE parent > 0;
CREATE INDEX tasks_ready ON tasks (board, rank, n) WHERE ready = 1;
CREATE INDEX tasks_free ON tasks (board, assignee, rank, n) WHERE ready = 1;
CREATE INDEX tasks_held ON tasks (n) WHERE held = 1;

CREATE TABLE task_labels (
    label TEXT NOT NULL,
    board INTEGER NOT NULL,
    rank  INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (label, board, rank, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_needs (
    n    INTEGER NOT NULL, -- depends on
    need INTEGER NOT NULL,
    PRIMARY KEY (n, need)
) STRICT, WITHOUT ROWID;

CREATE INDEX task_needs_need ON task_needs (need);

-- The rowid is the rank and the number in one, so that a search finds tasks in the order in which they are listed.
CREATE VIRTUAL TABLE task_text USING fts5 (title, description, content = '', contentless_delete = 1);

CREATE TABLE changes (
    seq    INTEGER PRIMARY KEY, -- rows are never removed
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    kind   TEXT NOT NULL,
    board  INTEGER NOT NULL REFERENCES boards (id),
    task   INTEGER NOT NULL, -- 0 for none
    text   TEXT NOT NULL,
    fields TEXT NOT NULL CHECK (fields = '' OR json_valid(fields))
) STRICT;

CREATE INDEX changes_board ON changes (board);
CREATE INDEX changes_task ON changes (task) WHERE task > 0;

CREATE TABLE sprints (
    n       INTEGER PRIMARY KEY,
    board   INTEGER NOT NULL REFERENCES boards (id),
    name    TEXT NOT NULL,
    goal    TEXT NOT NULL,
    state   TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended   INTEGER NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (board, name)
) STRICT;

CREATE UNIQUE INDEX sprints_active ON sprints (board) WHERE state = 'active';

CREATE TABLE notes (
    n          INTEGER PRIMARY KEY, -- of CTX-n
    board      INTEGER NOT NULL REFERENCES boards (id),
    context    TEXT NOT NULL CHECK (context = '' OR json_valid(context)),
    notes      TEXT NOT NULL,
    checkpoint TEXT NOT NULL,
    actor      TEXT NOT NULL,
    session    TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

CREATE INDEX notes_board ON notes (board);
CREATE INDEX notes_checkpoint ON notes (board, checkpoint) WHERE checkpoint <> '';

CREATE TABLE notices (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
    batch  INTEGER NOT NULL DEFAULT 0, -- of the message that it goes into; 0 while that is open
    agent  TEXT NOT NULL,
    task   TEXT NOT NULL,
    urgent INTEGER NOT NULL,
    text   TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

-- Up to where readers have seen the changes of a project.
CREATE TABLE change_cursors (
    reader  TEXT NOT NULL,
    project TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (reader, project)
) STRICT, WITHOUT ROWID;
