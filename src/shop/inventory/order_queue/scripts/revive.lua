-- Puts a dead letter back at the end of the queue. KEYS: stream, counters, dead letters, its order.
-- ARGV: incarnation, id of the dead letter, order as JSON. Returns 1 if it was there.
local stream, counters, dead, order = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('XDEL', dead, ARGV[2]) == 0 then
  return 0
end
local number = redis.call('HINCRBY', counters, 'accepted', 1)
redis.call('XADD', stream, '*', 'order', ARGV[3])
redis.call('HSET', order, 'number', number)
redis.call('HDEL', order, 'dead')
return 1
