-- +goose Up

CREATE TABLE schedules (
    n     INTEGER PRIMARY KEY, -- of SCHED-n
    open  INTEGER NOT NULL, -- a run is to begin or to end
    ended INTEGER NOT NULL, -- 0 when it has not
    doc   TEXT NOT NULL CHECK (json_valid(doc)) -- the whole schedule
) STRICT;

CREATE INDEX schedules_open ON schedules (n) WHERE open = 1;
CREATE INDEX schedules_ended ON schedules (ended) WHERE open = 0;
