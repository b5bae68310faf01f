"""Checkout: what an admitted shopper does, from the session to the paid order.

# Sessions

A session is a claimed admission as a signed right to check out. The token holds no deadline, since
deadlines move (an outage, more time, an early leaving); the database is asked whenever a session
changes something.

# Orders

    authorizing ──► authorized ──► paid ──► refunded
      │    │            │
      │    │            └──► returning ──► cancelled, refunded
      │    └──► voiding ──► cancelled
      └──► declined              ▲ too slow, or called off

Money that comes late moves a declined or cancelled order on to authorized or returning.

No lock and no transaction is open during a call to the gateway. The gateway knows the order's id as
its key, so every step may be repeated, by a request or by the settling loop (`driving`). What the
gateway was asked and what it said stand in `payment_attempt` and `payment_event`, which are only
ever added to; the order keeps its life cycle alone.

1. `start_payment` marks the hold as being paid, writes the order as authorizing and moves the
   hold's deadline, once, to the room's payment window. From here on the clock does not end the
   hold.
2. The gateway **authorizes**. `settle_order` marks the order authorized and **confirms the hold in
   the same transaction**: the units are sold.
3. The gateway **captures**, and the order is paid. No money is taken for units that are not there.

* **Declined**: the hold gets its own deadline back, or up to a minute from now if that is later,
  for another card, but never beyond the payment's extension
  (`test_a_declined_payment_gives_the_hold_its_own_deadline_back`).
* **Too slow**: after the payment window the order is voiding. It is **cancelled at the gateway
  first**, and only when that is confirmed do the units come free
  (`test_an_overdue_payment_is_voided_at_the_gateway_before_the_units_are_freed`). While the gateway
  cannot be asked they stay held. If the money had been captured after all, the order goes through.
* **No answer**: the gateway is asked what became of the payment
  (`test_a_charge_whose_answer_was_lost_is_found_again`).
* **Refused for good**: a confirmation that the gateway refuses is a decline, and the hold is free
  for another card.
* **Refused at the capture**: the order is returning. Its units go back on the shelf in that
  transaction, and the payment is voided, or refunded if the money had come after all
  (`test_a_capture_that_is_refused_for_good_gives_the_units_and_the_money_back`).
* **Late money**: news is only a reason to ask the gateway. Money for a declined or cancelled order
  confirms the hold if it is still there. Else the units are taken again, all or nothing, from those
  that are neither promised nor waited for. Else it goes back by itself, and the order says why
  (`test_the_same_news_many_times_at_two_services_counts_once`).
* **Refunds** set money and units aside when they are asked for, and release both if the gateway
  fails. Units return to the shelf when the money is back
  (`test_two_halves_and_one_more_asked_at_once_are_two_halves`).
* **Called off**: an undecided payment is voided first, sold units go back at once, a paid order is
  refunded. Later money goes back (`test_late_money_for_an_order_that_was_called_off_goes_back`).
* **Worker dead**: its leases are freed once it was silent for three seconds, and the sweeper drives
  its orders on (`test_an_order_of_a_killed_process_is_driven_on_long_before_its_lease_is_over`).
* The request waits `payment_wait_s` and then answers 202.

`gateway` asks the companies that take the money, `customers` the identity provider; `history` looks
back on orders.
"""
