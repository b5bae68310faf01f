"""Learning from called shoppers, and foreseeing calls, waits and chances. Pure.

    learning ──► outlook ──► expected           how many to call now
                    │            ▲
                    ▼            │ asked at each step
               prospects ◄── flow               when each place is called
                    │
                    ▼
              track_record                      how wide the bands have to be

* `learning` has what called shoppers do, from what they have done so far.
* `outlook` is what is to be expected at one moment. Calls made since the figures were read are
  counted into it, or each tick would make them again. Its horizons sum up how many will have asked
  and what will have come back by several moments ahead.
* `expected` is the arithmetic of the policy: as many calls as the stock can serve, with at most
  `disappointed_max` of the called finding nothing.
* `flow` takes the crowd inside forward by stage and age and asks the policy's own arithmetic at
  each step how many it would call then.
* `prospects` makes waits and chances of it.
* `wanted` is what a room's SKUs and its shoppers' choices are at one moment, and `skus` the part of
  the state document that tells of single SKUs; `waitroom.line.assortment` has what they stand on.
* `forecaster` is the leader's memory of waits and chances, and `told` keeps what is told of them
  from jumping. `near` says which numbers are near their turn.
* `track_record` keeps bands as wide as earlier ones require; shoppers who still wait count as
  censored (Kaplan and Meier).

Losing what is learned loses no promise. `docs/how-it-works/admission.md` has the formulas with
their sources and the known limits, `docs/performance.md` the measurements.
"""
