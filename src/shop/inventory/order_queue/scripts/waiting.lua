-- Returns for each order in KEYS 1 if it waits, 2 if it is a dead letter, and otherwise 0. ARGV:
-- incarnation.
local states = {}
for i, order in ipairs(KEYS) do
  local known = redis.call('HMGET', order, 'number', 'dead')
  states[i] = known[2] and 2 or known[1] and 1 or 0
end
return states
