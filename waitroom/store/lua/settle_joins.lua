-- Writes down which ticket each reserved join key got, or gives the key free again.
-- KEYS strings, one for each join with a key, all with one hash tag, owned by the joining workers
-- ARGV[1] time to live, seconds; ARGV[2] the tickets of the keys in their order, with spaces
-- between, `-` for a join that was refused
-- Returns nothing of interest.
local i = 0
for ticket in string.gmatch(ARGV[2], '%S+') do
  i = i + 1
  if ticket == '-' then
    redis.call('DEL', KEYS[i])
  else
    redis.call('SET', KEYS[i], ticket, 'EX', ARGV[1])
  end
end
