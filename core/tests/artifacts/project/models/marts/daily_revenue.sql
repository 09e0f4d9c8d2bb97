select ordered_on, sum(amount) as revenue from {{ ref('fct_orders') }} group by ordered_on
