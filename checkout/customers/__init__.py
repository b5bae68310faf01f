"""Customers: shoppers known to the shop's identity provider, by JWT.

`identity` reads the provider's keys and checks a token, `customer` says what a token has to be; a
session is bound to one customer (`test_of_two_customers_at_one_session_one_gets_it`), and then
limits, orders and personal data follow the customer. `docs/integrate/customers.md` has the rest.
"""
