{# Sessions of which this model holds another load than the last one, by LOAD_AUDIT; no session is passed from outside. #}
{% macro sessions_loaded_since() %}
    select loads.trading_day
    from {{ ref('stg_metrics_loads') }} as loads
    left join (select trading_day, max(loaded_at_utc) as loaded_at_utc from {{ this }} group by trading_day) as held
        on loads.trading_day = held.trading_day
    where held.loaded_at_utc is null or held.loaded_at_utc <> loads.loaded_at_utc
{% endmacro %}

{# `delete+insert` replaces sessions that have rows; those that lost all of them go here. #}
{% macro delete_sessions_without_rows() %}
    {% if is_incremental() %}
    delete from {{ this }} where trading_day not in (select trading_day from {{ ref('stg_daily_metrics') }})
    {% endif %}
{% endmacro %}
