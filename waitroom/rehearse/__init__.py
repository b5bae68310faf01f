"""Rehearsals: simulated sales in which production's own objects decide.

A rehearsal is a seeded simulation of one room. The deciding parts are production's own: the
policies and the learner of `waitroom.line`, the tables of waits, and the claim windows that follow
from them. The world around them is simulated: the people, and the rows that PostgreSQL would keep
of them. A seed fixes the crowd, and every policy sells to the same crowd, so differences are taken
seed by seed (`test_policies_meet_the_same_shoppers`,
`test_a_guaranteed_room_never_disappoints_anybody`).

    scenario ───────► play ─────────────► results
    TOML, or a log    dice, agenda,       score, compare,
                      leader, books       tables, charts

* `scenario` says what a rehearsal is about; `scenarios/` has the ones that come with the program.
  `recording` reads a past sale from its public log.
* `play` runs it. `dice` throws every die of a shopper in advance, needed or not, from one stream
  for each purpose and each shopper. So a seed gives the same crowd under every policy, and a
  changed rate moves only the shoppers whose die lies between the old rate and the new. `agenda` is
  the heap of coming events. `leader` does once a second what the controller does. `books` keeps
  stock, promises and wishes by the rules of the database. A waiting shopper costs nothing: a ticket
  is a number, patience is one drawn moment, and no poll is simulated. The moment at which a shopper
  learns of their call is drawn from the poll interval that the last document gave for their place.
* `results` samples waiting numbers, compares what the document told them with the outcome, counts
  up each sale, and compares variants on the same seeds.

A rehearsal cannot predict how your crowd will behave. Its shares and times are assumptions that
stand in the scenario, for you to change. It also simplifies: every second is a tick, the engines
never fail, every client polls when it is told to, and each session is used by one person.
"""
