select * from {{ ref('fct_orders') }} where amount < {{ var('least_amount') }}
