-- A bucket by the generic cell rate algorithm: one number, the time at which it is empty again.
-- KEYS[1] string, the bucket, owned by whoever limits
-- ARGV[1] seconds that one request costs; ARGV[2] seconds that the bucket holds
-- Returns the seconds to wait, as a string; '0' if the request is allowed.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local cost, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local free_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
if free_at + cost - now > size then
  return tostring(free_at + cost - now - size)
end
redis.call('SET', KEYS[1], string.format('%.6f', free_at + cost), 'PX', math.ceil(size * 1000))
return '0'
