"""The parts that all three packages stand on.

Imports run `waitroom → checkout → inventory`, never back, so shared parts stand in the innermost
package. They know nothing of rooms, orders or stock.

| module | for |
|---|---|
| `assets` | styles and scripts, compressed once and kept in memory |
| `batcher` | one engine call for all requests of a tick |
| `bundle` | a page's script with all that it imports, in one text |
| `database` | the pool and each room's share of it, named queries, errors of an absent engine |
| `doors` | values that come in: moments, names, origins, and what a client accepts |
| `holders` | the browser or app that a token is bound to |
| `http` | bodies in, JSON and problem+json out, the middleware around every request |
| `language` | the languages of pages: catalogues, the choice, numbers and moments |
| `lease` | who may work on something now, and when it is tried again |
| `limits` | how many requests a network and a bearer may send, by the class of the route |
| `loops` | background loops that outlive a failed round |
| `pages` | templates in, HTML with strict headers out |
| `problem` | refusals with a stable code |
| `pulse` | counts of how fast and how well some routes answer |
| `signing` | signed strings, a key for each purpose |
| `tables` | CSV files in and out, as spreadsheets write and open them |
| `turns` | a bound on heavy work that can wait |

# Batching

A batcher turns many small requests into one call of an engine. A tick is as long as the previous
flush took; the requests that arrived meanwhile go out together, in order of arrival. There is one
for each line's joins (up to 512 a call), one each for the claims and the holds of each room, and
one for reads of standings (up to 256), in each worker. Small batches of joins also keep apart
(`waitroom.desk.joining.spacing`).

* Each item gets its own verdict. A refusal is raised to its submitter alone.
* When the flush itself breaks, the items run singly, so one broken item never fails its neighbours.
* At most 8,192 items wait, each for at most eight seconds. One more is refused with 503 and
  `Retry-After`, and so is one whose time is up.
* A lock that another transaction keeps for longer than two seconds is not waited for: the batch
  is refused, and its shoppers are told to come again.
* A lost reply is asked for again: joins are found by their Merkle root in the log, holds by their
  keys.
"""
