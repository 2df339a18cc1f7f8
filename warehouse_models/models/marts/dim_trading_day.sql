select
    trading_day,
    row_number() over (order by trading_day) as session_number,
    lag(trading_day) over (order by trading_day) as previous_trading_day,
    lead(trading_day) over (order by trading_day) as next_trading_day,
    open_time_utc,
    close_time_utc,
    half_day,
    year(trading_day) as calendar_year,
    quarter(trading_day) as calendar_quarter,
    month(trading_day) as calendar_month,
    dayofweekiso(trading_day) as iso_weekday,
    coalesce(
        month(lead(trading_day) over (order by trading_day)) <> month(trading_day), false
    ) as last_of_month,
    max(trading_day) over (
        partition by year(trading_day) order by trading_day rows between unbounded preceding and unbounded following
    ) as last_of_year
from {{ ref('stg_trading_calendar') }}
