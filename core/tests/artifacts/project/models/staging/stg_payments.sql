select order_id, amount from {{ source('erp', 'raw_payments') }}
