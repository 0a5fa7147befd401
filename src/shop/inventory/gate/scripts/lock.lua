-- Takes the lock of a product for a lease, with a fencing token that is greater than all before.
-- KEYS: lock, last token. ARGV: incarnation, holder, milliseconds of the lease, milliseconds for
-- which an unused token is kept. Returns {1, token}, or {0, milliseconds until the lock is free}.
local ends_in = redis.call('PTTL', KEYS[1])
if ends_in > 0 then
  return {0, ends_in}
end
local token = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {1, token}
