-- The beginning of each script of the gate.
--
-- `gate` holds what is known of the stock row: `available` at `version`, written by a server of
-- this `incarnation`, and `leased`, the units of all leases. A lease is a member `units:key` of
-- `leases`; its score is the time at which it runs out. `refusal` is `available:version:time` of the
-- last refusal under the lock of the row, and expires after a moment.
local gate, leases, refusal = KEYS[1], KEYS[2], KEYS[3]
local incarnation = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The milliseconds since a refusal, if it may still be repeated. The clock may have been set back.
local function age_of_refusal(at, ttl_ms)
  local age = now - at
  return age >= 0 and age < ttl_ms and age or nil
end

local function units_of(lease)
  return tonumber(string.match(lease, '^%d+')) or 0
end

local function end_lease(lease)
  if redis.call('ZREM', leases, lease) == 0 then
    return 0
  end
  if redis.call('EXISTS', gate) == 1 then
    redis.call('HINCRBY', gate, 'leased', -units_of(lease))
  end
  return 1
end

local function end_old_leases()
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    end_lease(lease)
  end
end

local function sum_of_leases()
  local sum = 0
  for _, lease in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    sum = sum + units_of(lease)
  end
  return sum
end

local function number_of(field)
  return tonumber(redis.call('HGET', gate, field) or '0') or 0
end
