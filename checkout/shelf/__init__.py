"""The goods of the checkout: a page of them at a time, and what a shopper chooses of them.

`shelf` says what stands on the page: what the shopper came for, what is chosen already, and then
the products in their order, or what a search finds. `shelf_pages` reads it from the catalogue,
with a bound on every query. `form` reads what the page's forms send; what is chosen travels from
page to page in the address, so searching and paging lose nothing and need no script. All but
`shelf_pages` are pure.
"""
