"""Sales played before they happen, or again, on the very objects that decide in production.

A rehearsal is a seeded simulation of one room. What decides is production's own: `decide`, the
policies and `CallAllowance` (`line.policy`), the learner (`demand`), the
tables of waits and the claim windows that follow from them (`line.wait`). What is played is
the world around it: people, and what PostgreSQL would keep of them.

* `scenario` says what a rehearsal is about and reads it from TOML; `library` has the scenarios that
  come with the program, in `scenarios/`.
* `dice` throws everything that chance decides, before it is needed and whether or not it is, from a
  stream for each purpose and each shopper. So a seed is one crowd, whatever the policy; and a rate
  that is changed moves only those whose die lies between the old rate and the new.
* `agenda` is the heap of what will happen. `leader` does once a second what the controller does:
  look, learn, decide, publish. `books` keeps stock, promises and wishes by the rules of the
  database. `shop` is what the called do, `admitted` what would be in their rows.
* `simulation` puts these together. Whoever only waits costs nothing: a ticket is a number, the
  patience behind it one drawn moment, and nobody polls. It matters only when somebody hears of
  their call, and that is drawn from the interval which the last document told their place.
* `sample` asks waiting numbers what they are told, `score` holds that against what came, `result`
  counts up a sale.
* `variant` names what is compared, `compare` plays everything on the same seeds, `report`, `plot`
  and `chart` show it. `baseline` has what rooms do that do not look at the stock.
* `recording` reads a sale that was from its public log; `course` is what is given of it.

What a rehearsal cannot say: how your crowd will behave. Its shares and times are assumptions that
stand in the scenario, to be changed. Every second is a tick, the engines never fail, every poll
obeys, and whoever holds a session uses it alone.
"""
