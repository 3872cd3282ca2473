"""The OpenAPI document of the gateway: made from the route tables, the field tables and the listings that serve it."""
