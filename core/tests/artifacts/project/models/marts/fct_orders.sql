select
    orders.order_id,
    orders.customer_id,
    orders.ordered_on,
    {% if var('break_orders') %}no_such_column,{% endif %}
    payments.amount
from {{ ref('stg_orders') }} as orders
join {{ ref('stg_payments') }} as payments using (order_id)
