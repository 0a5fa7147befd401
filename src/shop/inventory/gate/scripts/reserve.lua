-- Reserves units for a lease. ARGV: incarnation, units, key, milliseconds of the lease,
-- milliseconds for which an unused gate is kept. Returns {0} if the gate is not known here,
-- {1, units left} if reserved, {2, units left} if too few are left, and {3, available, version,
-- age in milliseconds} if the row has just refused as many units.
local units, lease_ms, keep_ms = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('HGET', gate, 'incarnation') ~= incarnation then
  return {0}
end
end_old_leases()
local refused = redis.call('GET', refusal)
if refused then
  local available, version, since = string.match(refused, '^(%-?%d+):(%d+):(%d+)$')
  if available and tonumber(available) < units then
    return {3, tonumber(available), tonumber(version), math.max(now - tonumber(since), 0)}
  end
end
local lease = ARGV[2] .. ':' .. ARGV[3]
local left = number_of('available') - number_of('leased')
local is_new = not redis.call('ZSCORE', leases, lease)
if is_new and left < units then
  return {2, left}
end
redis.call('ZADD', leases, now + lease_ms, lease)
if is_new then
  redis.call('HINCRBY', gate, 'leased', units)
  left = left - units
end
redis.call('PEXPIRE', gate, keep_ms)
redis.call('PEXPIRE', leases, keep_ms)
return {1, left}
