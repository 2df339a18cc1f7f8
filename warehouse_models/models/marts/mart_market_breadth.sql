select
    trading_day,
    count(*) as symbols,
    count_if(change > 0) as advancers,
    count_if(change < 0) as decliners,
    count_if(change = 0) as unchanged,
    count_if(change is null) as without_previous,
    count_if(close_price > sma_200) as above_sma_200,
    count_if(high_price >= high_52_week) as new_highs,
    count_if(low_price <= low_52_week) as new_lows
from {{ ref('int_stock_daily') }}
group by trading_day
