"""The operators' and sellers' calls for the shop: catalogue, stock, orders, refunds, analytics.

Routes that sellers may use keep to the operator's `scope`. Another seller's product answers like an
unknown one.
"""
