-- Reads the place of an order. KEYS: counters, order, dead letters. ARGV: incarnation. Returns {} if
-- it does not wait, and otherwise {orders in front of it, 1 if it is a dead letter}. A dead letter
-- that was deleted by hand is written again: its buyer waits for the administrator.
local counters, order, dead = KEYS[1], KEYS[2], KEYS[3]
local known = redis.call('HMGET', order, 'number', 'dead', 'order')
local number, letter, text = known[1], known[2], known[3]
if not number then
  return {}
end
-- An earlier version wrote 1 instead of the letter's id.
if letter and letter ~= '1' and text and #redis.call('XRANGE', dead, letter, letter) == 0 then
  local reason = 'its dead letter was deleted by hand, with the reason'
  letter = redis.call('XADD', dead, '*', 'order', text, 'reason', reason, 'deliveries', '0')
  redis.call('HSET', order, 'dead', letter)
end
local decided = tonumber(redis.call('HGET', counters, 'decided') or '0') or 0
local ahead = math.max(tonumber(number) - decided - 1, 0)
return {ahead, letter and 1 or 0}
