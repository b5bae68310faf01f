"""The figures of a sale, counted from the database: orders, holds, admissions and the room's log.

`analysis` has the figures and their meaning, `waits` reads waits from the log; both are pure.
`analytics_store` counts. Nothing is gathered while the sale runs, so it costs the sale nothing. A
refund is split over its order's SKUs so that the parts add up to it exactly; with it a seller's
part of every sum is their own (`test_the_parts_of_sellers_add_up_to_the_order`).
"""
