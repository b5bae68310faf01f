-- Remembers which ticket a join key got; the first to say so wins.
-- KEYS strings, one for each join with a key, all with one hash tag, owned by the joining workers
-- ARGV[1] time to live, seconds; ARGV[1 + i] the ticket of KEYS[i]
-- Returns for each key the ticket that holds: this one, or the one that was there before.
local holds = {}
for i, key in ipairs(KEYS) do
  if redis.call('SET', key, ARGV[1 + i], 'NX', 'EX', ARGV[1]) then
    holds[i] = ARGV[1 + i]
  else
    holds[i] = redis.call('GET', key)
  end
end
return holds
