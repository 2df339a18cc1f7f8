select
    metrics.trading_day,
    metrics.symbol,
    stocks.present_symbol,
    coalesce(stocks.sector, 'unknown') as sector,
    metrics.source,
    metrics.open_price,
    metrics.high_price,
    metrics.low_price,
    metrics.close_price,
    metrics.volume,
    metrics.vwap,
    metrics.previous_close,
    metrics.change,
    metrics.change_percent,
    metrics.sma_200,
    metrics.high_52_week,
    metrics.low_52_week,
    metrics.currency,
    loads.loaded_at_utc
from {{ ref('stg_daily_metrics') }} as metrics
inner join {{ ref('stg_metrics_loads') }} as loads
    on metrics.trading_day = loads.trading_day
left join {{ ref('stg_stocks') }} as stocks
    on metrics.symbol = stocks.symbol and metrics.trading_day between stocks.valid_from and stocks.valid_to
