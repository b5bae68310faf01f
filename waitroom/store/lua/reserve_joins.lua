-- Reserves join keys for whoever asks first, before they are given their numbers.
-- KEYS strings, one for each join with a key, all with one hash tag, owned by the joining workers
-- ARGV[1] seconds after which a reservation is void, should its worker die
-- Returns only what others had before: pairs of the key's index, from 1, and its ticket, which is
-- empty while another worker is about to give it.
local taken = {}
for i, key in ipairs(KEYS) do
  if not redis.call('SET', key, '', 'NX', 'EX', ARGV[1]) then
    taken[#taken + 1] = tostring(i)
    taken[#taken + 1] = redis.call('GET', key)
  end
end
return taken
