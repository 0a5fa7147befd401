-- Moves an entry to the dead letters. KEYS: stream, counters, dead letters, and its order if it is
-- known. ARGV: incarnation, group, entry, order as JSON, reason, deliveries. Returns 1 if it was
-- waiting.
local stream, counters, dead, order = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('XACK', stream, ARGV[2], ARGV[3]) == 0 then
  return 0
end
redis.call('HINCRBY', counters, 'decided', 1)
redis.call('XADD', dead, '*', 'order', ARGV[4], 'reason', ARGV[5], 'deliveries', ARGV[6])
if order then
  redis.call('HSET', order, 'dead', 1)
end
return 1
