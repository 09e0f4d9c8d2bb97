select customers.customer_id, customers.name, regions.region
from {{ ref('stg_customers') }} as customers
join {{ ref('stg_regions') }} as regions using (region)
