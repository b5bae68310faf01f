"""Running the program: settings, the composition root, processes, embedded engines.

# Roles

* `web`, any number, several on one port by `SO_REUSEPORT`: pages and API.
* `controller`, two or more, of which one leads: heartbeat, calls, state documents, hours.
* `sweeper`, any number: ends overdue holds, calls and sessions, serves refused sessions, drives
  idle orders and refunds, sends webhooks and mail.

`app.py` is the composition root and alone knows lifetimes: every loop and connection belongs to
`open_service`, which takes them down in reverse order. `stores.py` builds the stores on one pool,
`gateways.py` the payment gateway, `service.py` the parts that stand on both, and `routes.py` says
which API and page gets which of them. A web application has no lifetime of its own. `keys/`
exchanges signing keys beside the running program.

Each sweep and each sender is a guarded loop (`inventory.kit.loops`): an error in one of them is
logged, counted in `waitroom_loop_failures_total` and followed by a rest, and it never reaches the
leader in the same process.

# Processes

    supervisor ──┬── web ──┐
                 ├── web ──┴── one port
                 └── controller, sweeper

`waitroom up`, and a `waitroom serve` with several processes, supervise them (`processes/`): a
process that dies or is frozen is started again. If more than ten died within a minute and no other
lives, all end. A process that cannot start because an engine is away is tried until the engine is
back, if it has lived before with the same settings. When the supervisor dies its processes end by
themselves. On SIGTERM `/readyz` answers 503 for a while, each answer ends its connection, and then
the process ends cleanly (`listening/`). `waitroom up` looks after its embedded engines in the same
way. `way_in.py` looks whether the public address still leads here.

Loops make things prompt, never correct: without a sweeper nothing is oversold, and a hold that is
short of units ends overdue holds by itself.
"""
