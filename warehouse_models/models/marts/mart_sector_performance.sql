select
    coalesce(stocks.sector, 'unknown') as sector,
    performance.trading_day,
    count(*) as symbols,
    cast(avg(performance.return_1) as number(18, 8)) as mean_return_1,
    cast(avg(performance.return_21) as number(18, 8)) as mean_return_21,
    cast(avg(performance.return_252) as number(18, 8)) as mean_return_252,
    count_if(performance.return_1 > 0) as advancers,
    count_if(performance.return_1 < 0) as decliners
from {{ ref('mart_symbol_performance') }} as performance
left join {{ ref('dim_stocks') }} as stocks
    on performance.symbol = stocks.symbol and performance.trading_day between stocks.valid_from and stocks.valid_to
group by coalesce(stocks.sector, 'unknown'), performance.trading_day
