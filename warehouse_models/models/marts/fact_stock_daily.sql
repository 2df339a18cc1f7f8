-- depends_on: {{ ref('stg_metrics_loads') }}
-- depends_on: {{ ref('stg_daily_metrics') }}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='trading_day',
    on_schema_change='fail',
    contract={'enforced': true},
    pre_hook="{{ delete_sessions_without_rows() }}"
) }}
select
    trading_day,
    symbol,
    source,
    open_price,
    high_price,
    low_price,
    close_price,
    volume,
    vwap,
    previous_close,
    change,
    change_percent,
    currency,
    loaded_at_utc
from {{ ref('int_stock_daily') }}
{% if is_incremental() %}
where trading_day in ({{ sessions_loaded_since() }})
{% endif %}
