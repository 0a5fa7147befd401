-- Appends orders that wait and whose entries are gone to the queue again. KEYS: stream, counters,
-- waiting orders, and each order to look at. ARGV: incarnation, and the id of each order. Returns
-- the ids of the orders that it has appended.
local stream, counters, waiting_orders = KEYS[1], KEYS[2], KEYS[3]
local restored, forgotten = {}, 0
for i = 2, #ARGV do
  local order = KEYS[2 + i]
  local known = redis.call('HMGET', order, 'entry', 'order', 'dead')
  if known[3] then
    -- It was counted as decided when it became a dead letter.
    redis.call('ZREM', waiting_orders, ARGV[i])
  elseif not known[1] or not known[2] then
    -- It was decided meanwhile, or nothing of it is left.
    forgotten = forgotten + redis.call('ZREM', waiting_orders, ARGV[i])
  elseif #redis.call('XRANGE', stream, known[1], known[1]) == 0 then
    local entry = redis.call('XADD', stream, '*', 'order', known[2])
    redis.call('HSET', order, 'entry', entry)
    table.insert(restored, ARGV[i])
  end
end
if forgotten > 0 then
  redis.call('HINCRBY', counters, 'decided', forgotten)
end
if #restored > 0 then
  redis.call('HINCRBY', counters, 'restored', #restored)
end
return restored
