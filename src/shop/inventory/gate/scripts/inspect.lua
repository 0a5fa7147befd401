-- Reads a gate and changes nothing. ARGV: incarnation. Returns {1 if known here, available, version,
-- leased as counted, units of the leases that have not run out, their number, 1 if the counted sum
-- is that of all leases}, or nothing if there is no gate.
if redis.call('EXISTS', gate) == 0 then
  return {}
end
local known = redis.call('HGET', gate, 'incarnation') == incarnation and 1 or 0
local units, count = 0, 0
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', leases, '(' .. string.format('%.0f', now), '+inf')) do
  units = units + units_of(lease)
  count = count + 1
end
local leased = number_of('leased')
local adds_up = leased == sum_of_leases() and 1 or 0
return {known, number_of('available'), number_of('version'), leased, units, count, adds_up}
