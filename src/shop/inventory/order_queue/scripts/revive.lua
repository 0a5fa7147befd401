-- Puts a dead letter back at the end of the queue. KEYS: stream, counters, dead letters, waiting
-- orders, its order. ARGV: incarnation, id of the dead letter, order as JSON, its order's id.
-- Returns 1 if it was there.
local stream, counters, dead, waiting_orders, order = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('XDEL', dead, ARGV[2]) == 0 then
  return 0
end
local number = redis.call('HINCRBY', counters, 'accepted', 1)
local entry = redis.call('XADD', stream, '*', 'order', ARGV[3])
redis.call('HSET', order, 'number', number, 'entry', entry, 'order', ARGV[3])
redis.call('HDEL', order, 'dead')
redis.call('ZADD', waiting_orders, number, ARGV[4])
return 1
