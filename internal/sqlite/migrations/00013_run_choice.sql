-- +goose Up

-- What runs are chosen by, and what lists show of them: the run without its long texts. Runs of before have no line.
ALTER TABLE runs ADD COLUMN coordinator TEXT GENERATED ALWAYS AS (json_extract(doc, '$.coordinator')) VIRTUAL;
ALTER TABLE runs ADD COLUMN line TEXT;
CREATE INDEX runs_coordinator ON runs (coordinator, n);
CREATE INDEX runs_actor ON runs (actor, n);
