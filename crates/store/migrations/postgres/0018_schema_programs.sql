-- Oldest program: 0.1.0
-- Which is the oldest program that may run on a schema with this migration: a program asks it of migrations that it does not know.

CREATE TABLE schema_programs (
    version BIGINT NOT NULL PRIMARY KEY,
    oldest_program TEXT NOT NULL
);
