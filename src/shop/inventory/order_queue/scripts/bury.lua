-- Moves an entry to the dead letters. KEYS: stream, counters, dead letters, waiting orders, and its
-- order if it is known. ARGV: incarnation, group, entry, order as JSON, reason, deliveries, and its
-- order's id if it is known. Returns 1 if it is a dead letter now, and 0 if it was acknowledged
-- before or another entry decides its order.
local stream, counters, dead, waiting_orders, order = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('XACK', stream, ARGV[2], ARGV[3]) == 0 then
  return 0
end
local entry = order and redis.call('HGET', order, 'entry')
-- The entry was lost, and its order is in the queue again.
if entry and entry ~= ARGV[3] then
  return 0
end
local letter =
  redis.call('XADD', dead, '*', 'order', ARGV[4], 'reason', ARGV[5], 'deliveries', ARGV[6])
if order then
  redis.call('HINCRBY', counters, 'decided', leave_waiting(waiting_orders, order, ARGV[7]))
  redis.call('HSET', order, 'dead', letter)
end
return 1
