-- Tables that the loader fills; each row names the load that wrote it. What grows with history is partitioned by year, and the
-- loader adds the years.
CREATE TABLE serving.loads (
    load_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    run_id text NOT NULL,
    rows_loaded bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE serving.loads IS 'Loads, newest last. A load replaces all that differs in one transaction.';
COMMENT ON COLUMN serving.loads.run_id IS 'Dagster''s run; empty for a load by hand';

CREATE TABLE serving.loaded_sessions (
    table_name text NOT NULL,
    trading_day date NOT NULL,
    row_count bigint NOT NULL,
    digest numeric NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (table_name, trading_day)
);
COMMENT ON TABLE serving.loaded_sessions IS
    'What the warehouse held of a session when it was loaded; a table that is loaded whole has the day 1900-01-01.';

CREATE TABLE serving.stocks (
    symbol text NOT NULL,
    valid_from date NOT NULL,
    valid_to date NOT NULL,
    present_symbol text NOT NULL,
    name text NOT NULL,
    exchange text NOT NULL,
    sector text NOT NULL,
    industry text NOT NULL,
    currency text NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (symbol, valid_from)
);
COMMENT ON TABLE serving.stocks IS 'One row per symbol and span of days in which it was one company''s.';

CREATE TABLE serving.adjustments (
    present_symbol text NOT NULL,
    vendor text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    split_factor double precision NOT NULL,
    dividend_factor double precision NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (present_symbol, vendor, first_day)
);
COMMENT ON TABLE serving.adjustments IS 'Spans of days between splits and dividends of a company, with the factors that lead to today.';
COMMENT ON COLUMN serving.adjustments.vendor IS 'whose statements these are; any for bars of vendors that state none';
COMMENT ON COLUMN serving.adjustments.split_factor IS 'price as traded x split_factor = price adjusted for later splits';
COMMENT ON COLUMN serving.adjustments.dividend_factor IS 'times this, it is adjusted for later dividends, too';

CREATE TABLE serving.daily_prices (
    symbol text NOT NULL,
    trading_day date NOT NULL,
    present_symbol text NOT NULL,
    source text NOT NULL,
    open numeric(18, 6) NOT NULL,
    high numeric(18, 6) NOT NULL,
    low numeric(18, 6) NOT NULL,
    close numeric(18, 6) NOT NULL,
    volume numeric(25, 6),
    vwap numeric(18, 6),
    currency text NOT NULL,
    adjusted_by text NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (symbol, trading_day)
) PARTITION BY RANGE (trading_day);
CREATE INDEX ON serving.daily_prices (trading_day);
COMMENT ON TABLE serving.daily_prices IS 'One row per symbol and session, as traded.';
COMMENT ON COLUMN serving.daily_prices.present_symbol IS 'symbol under which the company trades now';
COMMENT ON COLUMN serving.daily_prices.adjusted_by IS 'vendor in serving.adjustments whose actions count for this row';

CREATE TABLE serving.daily_metrics (
    symbol text NOT NULL,
    trading_day date NOT NULL,
    previous_close numeric(18, 6),
    change numeric(18, 6),
    change_percent numeric(18, 6),
    day_range numeric(18, 6) NOT NULL,
    sma_5 numeric(18, 6),
    sma_20 numeric(18, 6),
    sma_50 numeric(18, 6),
    sma_200 numeric(18, 6),
    volatility_20 numeric(18, 6),
    average_volume_20 numeric(18, 6),
    rsi_14 numeric(18, 6),
    macd numeric(18, 6),
    macd_signal numeric(18, 6),
    macd_histogram numeric(18, 6),
    bollinger_upper numeric(18, 6),
    bollinger_lower numeric(18, 6),
    high_52_week numeric(18, 6),
    low_52_week numeric(18, 6),
    load_id bigint NOT NULL,
    PRIMARY KEY (symbol, trading_day)
) PARTITION BY RANGE (trading_day);
CREATE INDEX ON serving.daily_metrics (trading_day);
COMMENT ON TABLE serving.daily_metrics IS 'Metrics of one symbol''s session, in the basis of that session: as traded then.';

CREATE TABLE serving.hourly_bars (
    symbol text NOT NULL,
    trading_day date NOT NULL,
    start_time timestamptz NOT NULL,
    source text NOT NULL,
    open numeric(18, 6) NOT NULL,
    high numeric(18, 6) NOT NULL,
    low numeric(18, 6) NOT NULL,
    close numeric(18, 6) NOT NULL,
    volume numeric(25, 6),
    minutes integer NOT NULL,
    currency text NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (symbol, trading_day, start_time)
) PARTITION BY RANGE (trading_day);
CREATE INDEX ON serving.hourly_bars (trading_day);
COMMENT ON TABLE serving.hourly_bars IS 'Bars of an hour of regular trading, counted from the session''s open; as traded.';
COMMENT ON COLUMN serving.hourly_bars.minutes IS 'minutes that had a bar';

CREATE TABLE serving.availability (
    symbol text NOT NULL,
    trading_day date NOT NULL,
    availability text NOT NULL,
    because text NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (symbol, trading_day)
) PARTITION BY RANGE (trading_day);
CREATE INDEX ON serving.availability (trading_day);
COMMENT ON TABLE serving.availability IS 'How far each symbol''s session can be trusted, and why.';

CREATE TABLE serving.symbol_performance (
    symbol text NOT NULL,
    trading_day date NOT NULL,
    present_symbol text NOT NULL,
    adjusted_close numeric(18, 6) NOT NULL,
    return_1 numeric(18, 8),
    return_5 numeric(18, 8),
    return_21 numeric(18, 8),
    return_63 numeric(18, 8),
    return_252 numeric(18, 8),
    return_ytd numeric(18, 8),
    drawdown numeric(18, 8),
    load_id bigint NOT NULL,
    PRIMARY KEY (symbol, trading_day)
) PARTITION BY RANGE (trading_day);
CREATE INDEX ON serving.symbol_performance (trading_day);
COMMENT ON TABLE serving.symbol_performance IS
    'Returns over as many sessions as the name says, on closes adjusted for splits and dividends; fractions. Needs the marts.';

CREATE TABLE serving.sector_performance (
    sector text NOT NULL,
    trading_day date NOT NULL,
    symbols integer NOT NULL,
    mean_return_1 numeric(18, 8),
    mean_return_21 numeric(18, 8),
    mean_return_252 numeric(18, 8),
    advancers integer NOT NULL,
    decliners integer NOT NULL,
    load_id bigint NOT NULL,
    PRIMARY KEY (sector, trading_day)
);
CREATE INDEX ON serving.sector_performance (trading_day);
COMMENT ON TABLE serving.sector_performance IS 'Mean returns of each sector''s symbols, equally weighted; fractions. Needs the marts.';

CREATE TABLE serving.market_breadth (
    trading_day date PRIMARY KEY,
    symbols integer NOT NULL,
    advancers integer NOT NULL,
    decliners integer NOT NULL,
    unchanged integer NOT NULL,
    without_previous integer NOT NULL,
    above_sma_200 integer NOT NULL,
    new_highs integer NOT NULL,
    new_lows integer NOT NULL,
    load_id bigint NOT NULL
);
COMMENT ON TABLE serving.market_breadth IS 'How many symbols rose and fell per session. Needs the marts.';

CREATE TABLE serving.session_sla (
    trading_day date PRIMARY KEY,
    close_time timestamptz NOT NULL,
    first_complete_at timestamptz,
    minutes_to_complete integer,
    verdict text NOT NULL,
    load_id bigint NOT NULL
);
COMMENT ON TABLE serving.session_sla IS 'Minutes from the close to the first complete data of a session, and whether the promise was kept.';

CREATE TABLE serving.runs (
    run_id text PRIMARY KEY,
    job text NOT NULL,
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    sessions text NOT NULL,
    cause text NOT NULL,
    load_id bigint NOT NULL
);
CREATE INDEX ON serving.runs (requested_at);
COMMENT ON TABLE serving.runs IS 'Dagster''s runs; they stay here after Dagster has removed its own records.';
COMMENT ON COLUMN serving.runs.sessions IS 'first and last session of the run; empty for runs about no session';
COMMENT ON COLUMN serving.runs.cause IS 'why it failed; empty when it did not';
