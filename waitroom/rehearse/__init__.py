"""Sales played before they happen, or again, on the objects that decide in production.

A rehearsal is a seeded simulation of one room. The deciding parts are production's own: the
policies and the learner of `waitroom.line`, the tables of waits, and the claim windows that follow
from them. The world around them is simulated: people, and the rows that PostgreSQL would keep of
them. Each seed is one crowd, and every policy sells to it, so differences are taken seed by seed
(`test_policies_meet_the_same_shoppers`, `test_a_guaranteed_room_never_disappoints_anybody`).

    scenario ───────► play ─────────────► results
    TOML, or a log    dice, agenda,       score, compare,
                      leader, books       tables, charts

* `scenario` says what a rehearsal is about; `scenarios/` has the ones that come with the program.
  `recording` reads a past sale from its public log.
* `play` runs it. `dice` throws everything that chance decides, before it is needed and whether or
  not it is, from a stream for each purpose and each shopper. So a seed is one crowd, whatever the
  policy, and a changed rate moves only the shoppers whose die lies between the old rate and the
  new. `agenda` is the heap of coming events. `leader` does once a second what the controller does.
  `books` keeps stock, promises and wishes by the rules of the database. A shopper who only waits
  costs nothing: a ticket is a number, the patience behind it one drawn moment, and no one polls.
  The moment at which a shopper hears of their call is drawn from the interval that the last
  document told their place.
* `results` asks waiting numbers what they are told, holds that against the outcome, counts up each
  sale, and compares variants on the same seeds.

A rehearsal cannot say how your crowd will behave. Its shares and times are assumptions that stand
in the scenario, to be changed. Every second is a tick, the engines never fail, every poll obeys,
and each session is used by one person.
"""
