-- Removes a dead letter whose order is decided, or cannot be read. KEYS: dead letters, and its order
-- and its key if they are known. ARGV: incarnation, id of the dead letter, and its order's id.
-- Returns 1 if it was there.
local dead, order, key = KEYS[1], KEYS[2], KEYS[3]
local removed = redis.call('XDEL', dead, ARGV[2])
if order then
  redis.call('DEL', order)
  if redis.call('HGET', key, 'order') == ARGV[3] then
    redis.call('DEL', key)
  end
end
return removed
