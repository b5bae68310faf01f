-- Keeps a room's state document unless a later version is there already.
-- KEYS[1] hash, the room's document, written by the leading controller alone
-- ARGV[1] version, a whole number; ARGV[2] the document's bytes; ARGV[3] time to live, seconds
-- Returns 1 if it was kept, 0 if a later version stands.
local seen = redis.call('HGET', KEYS[1], 'version')
if seen and tonumber(seen) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'body', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
