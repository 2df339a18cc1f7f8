-- What people read. Views keep their columns when tables behind them change.
CREATE VIEW price_trends AS
SELECT
    p.trading_day,
    p.symbol,
    s.name AS company,
    s.sector,
    p.currency,
    p.open,
    p.high,
    p.low,
    p.close,
    round((p.open * coalesce(a.split_factor, 1))::numeric, 6) AS adjusted_open,
    round((p.high * coalesce(a.split_factor, 1))::numeric, 6) AS adjusted_high,
    round((p.low * coalesce(a.split_factor, 1))::numeric, 6) AS adjusted_low,
    round((p.close * coalesce(a.split_factor, 1))::numeric, 6) AS adjusted_close,
    round((p.close * coalesce(a.split_factor, 1) * coalesce(a.dividend_factor, 1))::numeric, 6) AS total_return_close,
    m.change_percent,
    m.sma_20,
    m.sma_50,
    m.sma_200,
    round((m.sma_50 * coalesce(a.split_factor, 1))::numeric, 6) AS adjusted_sma_50,
    round((m.sma_200 * coalesce(a.split_factor, 1))::numeric, 6) AS adjusted_sma_200,
    m.bollinger_upper,
    m.bollinger_lower,
    m.rsi_14,
    m.macd,
    m.macd_signal,
    m.volatility_20,
    m.high_52_week,
    m.low_52_week,
    p.source
FROM serving.daily_prices AS p
LEFT JOIN serving.daily_metrics AS m ON m.symbol = p.symbol AND m.trading_day = p.trading_day
LEFT JOIN serving.stocks AS s ON s.symbol = p.symbol AND p.trading_day BETWEEN s.valid_from AND s.valid_to
LEFT JOIN serving.adjustments AS a
    ON a.present_symbol = p.present_symbol AND a.vendor = p.adjusted_by AND p.trading_day BETWEEN a.first_day AND a.last_day;
COMMENT ON VIEW price_trends IS 'One row per symbol and session: prices as traded and adjusted, with averages and indicators.';
COMMENT ON COLUMN price_trends.trading_day IS 'session of the New York Stock Exchange';
COMMENT ON COLUMN price_trends.symbol IS 'symbol on that day';
COMMENT ON COLUMN price_trends.company IS 'name of the company; empty where unknown';
COMMENT ON COLUMN price_trends.sector IS 'sector, as the vendor names it';
COMMENT ON COLUMN price_trends.currency IS 'ISO 4217; unit of all prices of the row';
COMMENT ON COLUMN price_trends.open IS 'currency, as traded';
COMMENT ON COLUMN price_trends.high IS 'currency, as traded';
COMMENT ON COLUMN price_trends.low IS 'currency, as traded';
COMMENT ON COLUMN price_trends.close IS 'currency, as traded';
COMMENT ON COLUMN price_trends.adjusted_open IS 'currency, adjusted for splits up to today';
COMMENT ON COLUMN price_trends.adjusted_high IS 'currency, adjusted for splits up to today';
COMMENT ON COLUMN price_trends.adjusted_low IS 'currency, adjusted for splits up to today';
COMMENT ON COLUMN price_trends.adjusted_close IS 'currency, adjusted for splits up to today';
COMMENT ON COLUMN price_trends.total_return_close IS 'currency, adjusted for splits and dividends up to today';
COMMENT ON COLUMN price_trends.change_percent IS 'percent of the close before, splits taken out';
COMMENT ON COLUMN price_trends.sma_20 IS 'currency, mean close of 20 sessions, in the basis of the session';
COMMENT ON COLUMN price_trends.sma_50 IS 'currency, mean close of 50 sessions, in the basis of the session';
COMMENT ON COLUMN price_trends.sma_200 IS 'currency, mean close of 200 sessions, in the basis of the session';
COMMENT ON COLUMN price_trends.adjusted_sma_50 IS 'currency, sma_50 adjusted for splits up to today';
COMMENT ON COLUMN price_trends.adjusted_sma_200 IS 'currency, sma_200 adjusted for splits up to today';
COMMENT ON COLUMN price_trends.bollinger_upper IS 'currency, sma_20 + 2 standard deviations, in the basis of the session';
COMMENT ON COLUMN price_trends.bollinger_lower IS 'currency, sma_20 - 2 standard deviations, in the basis of the session';
COMMENT ON COLUMN price_trends.rsi_14 IS 'relative strength index of 14 sessions, 0 to 100';
COMMENT ON COLUMN price_trends.macd IS 'currency, EMA 12 - EMA 26 of close';
COMMENT ON COLUMN price_trends.macd_signal IS 'currency, EMA 9 of macd';
COMMENT ON COLUMN price_trends.volatility_20 IS 'fraction per year, from 20 sessions';
COMMENT ON COLUMN price_trends.high_52_week IS 'currency, highest high of 252 sessions, in the basis of the session';
COMMENT ON COLUMN price_trends.low_52_week IS 'currency, lowest low of 252 sessions, in the basis of the session';
COMMENT ON COLUMN price_trends.source IS 'vendor, and what its bar was built from';

CREATE VIEW volume_analysis AS
SELECT
    p.trading_day,
    p.symbol,
    s.name AS company,
    s.sector,
    p.volume,
    m.average_volume_20,
    round(p.volume / nullif(m.average_volume_20, 0), 4) AS volume_ratio,
    p.vwap,
    round(p.volume * coalesce(p.vwap, p.close), 2) AS turnover,
    p.currency,
    m.change_percent
FROM serving.daily_prices AS p
LEFT JOIN serving.daily_metrics AS m ON m.symbol = p.symbol AND m.trading_day = p.trading_day
LEFT JOIN serving.stocks AS s ON s.symbol = p.symbol AND p.trading_day BETWEEN s.valid_from AND s.valid_to;
COMMENT ON VIEW volume_analysis IS 'One row per symbol and session: how much was traded, and how unusual that is.';
COMMENT ON COLUMN volume_analysis.trading_day IS 'session of the New York Stock Exchange';
COMMENT ON COLUMN volume_analysis.symbol IS 'symbol on that day';
COMMENT ON COLUMN volume_analysis.company IS 'name of the company; empty where unknown';
COMMENT ON COLUMN volume_analysis.sector IS 'sector, as the vendor names it';
COMMENT ON COLUMN volume_analysis.volume IS 'shares, as traded';
COMMENT ON COLUMN volume_analysis.average_volume_20 IS 'shares, mean of 20 sessions, in the basis of the session';
COMMENT ON COLUMN volume_analysis.volume_ratio IS 'volume divided by average_volume_20';
COMMENT ON COLUMN volume_analysis.vwap IS 'currency, volume-weighted average price as traded';
COMMENT ON COLUMN volume_analysis.turnover IS 'currency, volume x vwap (or x close where there is no vwap)';
COMMENT ON COLUMN volume_analysis.currency IS 'ISO 4217';
COMMENT ON COLUMN volume_analysis.change_percent IS 'percent of the close before, splits taken out';

CREATE VIEW data_quality AS
SELECT
    q.trading_day,
    q.symbol,
    s.name AS company,
    q.availability,
    q.availability IN ('available', 'corrected') AS usable,
    s.symbol IS NOT NULL AS expected,
    q.because
FROM serving.availability AS q
LEFT JOIN serving.stocks AS s ON s.symbol = q.symbol AND q.trading_day BETWEEN s.valid_from AND s.valid_to;
COMMENT ON VIEW data_quality IS 'One row per symbol and session that should have data, or has some: how far it can be trusted.';
COMMENT ON COLUMN data_quality.trading_day IS 'session of the New York Stock Exchange';
COMMENT ON COLUMN data_quality.symbol IS 'symbol on that day';
COMMENT ON COLUMN data_quality.company IS 'name of the company; empty where unknown';
COMMENT ON COLUMN data_quality.availability IS 'available, corrected, partial, degraded, missing, or empty (legitimately so)';
COMMENT ON COLUMN data_quality.usable IS 'true for available and corrected';
COMMENT ON COLUMN data_quality.expected IS 'the universe has the symbol on that day';
COMMENT ON COLUMN data_quality.because IS 'the reason, with its numbers';

CREATE VIEW pipeline_runs AS
SELECT
    r.run_id,
    r.job,
    r.status,
    r.sessions,
    r.requested_at,
    r.started_at,
    r.ended_at,
    round(extract(epoch FROM r.started_at - r.requested_at), 1) AS waited_s,
    round(extract(epoch FROM r.ended_at - r.started_at), 1) AS took_s,
    r.cause
FROM serving.runs AS r;
COMMENT ON VIEW pipeline_runs IS 'One row per run of the platform, also after Dagster has removed its own records.';
COMMENT ON COLUMN pipeline_runs.run_id IS 'Dagster''s run';
COMMENT ON COLUMN pipeline_runs.job IS 'what ran';
COMMENT ON COLUMN pipeline_runs.status IS 'Dagster''s word for how it stands';
COMMENT ON COLUMN pipeline_runs.sessions IS 'first and last session of the run; empty for runs about no session';
COMMENT ON COLUMN pipeline_runs.requested_at IS 'UTC';
COMMENT ON COLUMN pipeline_runs.started_at IS 'UTC; empty before it started';
COMMENT ON COLUMN pipeline_runs.ended_at IS 'UTC; empty before it ended';
COMMENT ON COLUMN pipeline_runs.waited_s IS 'seconds from request to start';
COMMENT ON COLUMN pipeline_runs.took_s IS 'seconds from start to end';
COMMENT ON COLUMN pipeline_runs.cause IS 'why it failed; empty when it did not';
