"""`waitroom doctor`: everything that can be wrong around the program, looked at in ten seconds.

Modules with a bare noun (`database`, `cache`, `machine`) know facts and judge them, and are pure.
Beside each stands the module that asks for the facts. `configuration` compares what a person has
written, `outside` connects to what lies outside, and `examination` runs all of it at once, each
check within its time. A check that cannot be made is a finding like any other.

Nothing is changed, nobody is charged and no mail is sent. What is printed never holds a secret: the
last step takes out all that the settings and the secrets file name.

Processes of other machines are seen through PostgreSQL. Each of them reports its keys every five
seconds, and with them its clock and the proxy that it was not told of (`waitroom.run.keys`).
"""
