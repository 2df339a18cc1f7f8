select symbol, trading_day, close as split_adjusted_close, adjusted_close, split_factor, dividend_factor
from {{ source('warehouse', 'stock_daily_adjusted') }}
