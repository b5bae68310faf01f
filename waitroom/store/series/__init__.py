"""The series of each room: how its figures went, a row every few seconds from the doors to the end.

The leader writes the rows (`waitroom.leader.room_lead`), so there is one row for a room and a
moment, whatever the crowd does. The sweeper thins out old ones: a row a minute after two hours, one
for ten minutes after two days, and one an hour after two months. The series stays as long as the
room's orders.
"""
