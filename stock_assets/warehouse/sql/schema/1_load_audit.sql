-- What each load did to each of its sessions, and what of the lake they stand for; written in the load's own transaction.
-- A table that is always loaded whole has the day 1900-01-01.
CREATE TABLE IF NOT EXISTS LOAD_AUDIT (
    LOADED_AT TIMESTAMP_NTZ NOT NULL,
    LOADED_BY VARCHAR NOT NULL,
    RUN_ID VARCHAR NOT NULL,
    TABLE_NAME VARCHAR NOT NULL,
    LAKE_VERSION BIGINT,
    TRADING_DAY DATE NOT NULL,
    ROWS_BEFORE BIGINT NOT NULL,
    ROWS_AFTER BIGINT NOT NULL,
    FINGERPRINT VARCHAR
);
