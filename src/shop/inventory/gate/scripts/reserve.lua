-- Reserves units for a lease. ARGV: incarnation, units, key, milliseconds of the lease,
-- milliseconds for which an unused gate is kept, milliseconds for which a refusal is repeated.
-- Returns the time in milliseconds, and {0} if the gate is not known here, {1, units left} if
-- reserved, {2, units left} if too few are left, and {3, available, version, age in milliseconds} if
-- the row has just refused as many units.
local units, lease_ms, keep_ms = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('HGET', gate, 'incarnation') ~= incarnation then
  return {now, {0}}
end
end_old_leases()
local refused = redis.call('GET', refusal)
if refused then
  local available, version, since = string.match(refused, '^(%-?%d+):(%d+):(%d+)$')
  local age = available and age_of_refusal(tonumber(since), tonumber(ARGV[6]))
  if age and tonumber(available) < units then
    return {now, {3, tonumber(available), tonumber(version), age}}
  end
end
local lease = ARGV[2] .. ':' .. ARGV[3]
local left = number_of('available') - number_of('leased')
local is_new = not redis.call('ZSCORE', leases, lease)
if is_new and left < units then
  return {now, {2, left}}
end
redis.call('ZADD', leases, now + lease_ms, lease)
if is_new then
  redis.call('HINCRBY', gate, 'leased', units)
  left = left - units
end
redis.call('PEXPIRE', gate, keep_ms)
redis.call('PEXPIRE', leases, keep_ms)
return {now, {1, left}}
