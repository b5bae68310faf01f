"""A typed client of the service, for programs in Python.

`ShopperClient` walks as one shopper does: join, look, claim, hold, order. `OperatorClient` acts
with an API key. Both ask through an `HttpClient`, which repeats what may be repeated: reads, and
writes that carry a key of their own. A refusal is raised as `Problem` with the service's own code,
and a service that stays away as `NoAnswer`.

    async with HttpClient("https://queue.example") as http:
        shop = OperatorClient(http, key=os.environ["WAITROOM_KEY"])
        room = await shop.room("spring-drop")
        print(room.status, room.figures.waiting)

`answers` has the values that come back. Fields that the service adds later are ignored.
"""
