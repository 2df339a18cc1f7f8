{{ config(meta={'dagster': {'ref': {'name': 'fact_stock_daily'}}}) }}
-- A vendor may state history under the present symbol: that falls within the company's intervals.
select facts.symbol, facts.trading_day, count(stocks.symbol) as intervals
from {{ ref('fact_stock_daily') }} as facts
left join {{ ref('dim_stocks') }} as own on facts.symbol = own.symbol
left join {{ ref('dim_stocks') }} as stocks
    on coalesce(own.present_symbol, facts.symbol) = stocks.present_symbol
    and facts.trading_day between stocks.valid_from and stocks.valid_to
group by facts.symbol, facts.trading_day
having count(distinct stocks.symbol) > 1
