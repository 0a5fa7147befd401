-- Stores a level of the stock row, and ends the lease of the purchase that found it. ARGV:
-- incarnation, available, version, units and key of the lease (0 units for none), milliseconds for
-- which a refusal is repeated, the time of the refusal (empty if the row did not refuse),
-- milliseconds for which an unused gate is kept, 1 to replace what is known whatever its version,
-- product.
-- KEYS[4] lists the gates by their last use. Returns 1 if the lease was still there.
local available, version = tonumber(ARGV[2]), tonumber(ARGV[3])
local ttl_ms, refused_at, keep_ms = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
end_old_leases()
local ended = 0
if ARGV[4] ~= '0' then
  ended = end_lease(ARGV[4] .. ':' .. ARGV[5])
end
local is_known = redis.call('HGET', gate, 'incarnation') == incarnation
if not is_known or ARGV[9] == '1' then
  -- It may be from another server, with another clock.
  redis.call('DEL', refusal)
  redis.call('HSET', gate, 'incarnation', incarnation, 'available', available, 'version', version,
    'leased', sum_of_leases())
elseif number_of('version') < version then
  redis.call('HSET', gate, 'available', available, 'version', version)
end
if number_of('version') == version then
  if refused_at then
    local age = age_of_refusal(refused_at, ttl_ms)
    if age then
      local mark = string.format('%d:%d:%.0f', available, version, refused_at)
      redis.call('SET', refusal, mark, 'PX', ttl_ms - age)
    end
  else
    local refused = redis.call('GET', refusal)
    if refused and tonumber(string.match(refused, '^%-?%d+')) < available then
      redis.call('DEL', refusal)
    end
  end
end
redis.call('PEXPIRE', gate, keep_ms)
redis.call('PEXPIRE', leases, keep_ms)
redis.call('ZADD', KEYS[4], now, ARGV[10])
return ended
