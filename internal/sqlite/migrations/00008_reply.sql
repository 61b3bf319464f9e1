-- +goose Up

-- What agents answered to whoever sent them a message. What goes to an agent is a message of the same id, too.
CREATE TABLE replies (
    n         INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    message   TEXT NOT NULL, -- that it answers
    sender    TEXT NOT NULL,
    recipient TEXT NOT NULL, -- an agent, or who else sent the message
    text      TEXT NOT NULL,
    created   INTEGER NOT NULL,
    taken     INTEGER NOT NULL -- when it reached its recipient; 0 while it has not
) STRICT;

CREATE INDEX replies_recipient ON replies (recipient, n) WHERE taken = 0;
CREATE INDEX replies_message ON replies (message);
CREATE INDEX replies_created ON replies (created);
