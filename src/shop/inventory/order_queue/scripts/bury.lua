-- Moves an entry to the dead letters. KEYS: stream, counters, dead letters, waiting orders, and its
-- order if it is known. ARGV: incarnation, group, entry, order as JSON, reason, deliveries, and its
-- order's id if it is known. Returns 1 if it was waiting.
local stream, counters, dead, waiting_orders, order = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('XACK', stream, ARGV[2], ARGV[3]) == 0 then
  return 0
end
redis.call('HINCRBY', counters, 'decided', 1)
redis.call('XADD', dead, '*', 'order', ARGV[4], 'reason', ARGV[5], 'deliveries', ARGV[6])
if order then
  redis.call('HSET', order, 'dead', 1)
  redis.call('ZREM', waiting_orders, ARGV[7])
end
return 1
