"""The assortment of a room: which SKU shoppers come for, and when each is gone. Pure.

* `choices` keeps what the numbers in line named, and counts it by stretches of the line.
* `tastes` learns what shoppers want who named nothing, and how many of them take another SKU.
* `depletion` walks along the line and tells when each SKU is gone.

A choice gives no right and moves no place: the order is by number alone. It bears on the chances
that are told and on how many units the next calls can count on.
"""
