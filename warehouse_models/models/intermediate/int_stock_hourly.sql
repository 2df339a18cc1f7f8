select
    bars.trading_day,
    bars.symbol,
    bars.start_time_utc,
    row_number() over (partition by bars.symbol, bars.trading_day order by bars.start_time_utc) as bar_number,
    bars.open_price,
    bars.high_price,
    bars.low_price,
    bars.close_price,
    bars.volume,
    bars.minutes,
    bars.close_price - bars.open_price as change,
    bars.currency
from {{ ref('stg_hourly_bars') }} as bars
