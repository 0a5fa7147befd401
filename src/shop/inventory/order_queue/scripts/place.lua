-- Reads the place of an order. KEYS: counters, order. ARGV: incarnation. Returns {} if it does not
-- wait, and otherwise {orders in front of it, 1 if it is a dead letter}.
local number = redis.call('HMGET', KEYS[2], 'number', 'dead')
if not number[1] then
  return {}
end
local decided = tonumber(redis.call('HGET', KEYS[1], 'decided') or '0') or 0
local ahead = math.max(tonumber(number[1]) - decided - 1, 0)
return {ahead, number[2] and 1 or 0}
