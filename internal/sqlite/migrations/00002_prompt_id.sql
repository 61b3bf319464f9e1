-- +goose Up

ALTER TABLE turns ADD COLUMN prompt_id TEXT NOT NULL DEFAULT '';
