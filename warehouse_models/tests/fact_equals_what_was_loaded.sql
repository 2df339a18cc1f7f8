{{ config(meta={'dagster': {'ref': {'name': 'fact_stock_daily'}}}) }}
select trading_day, symbol, close_price from {{ ref('fact_stock_daily') }}
except
select trading_day, symbol, close_price from {{ ref('stg_daily_metrics') }}
